"""The gateway's face to HTTP."""
