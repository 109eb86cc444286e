"""The simulated hypervisor and the worker that serves it."""
