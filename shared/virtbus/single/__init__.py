"""Single-machine mode: `virtbus up` runs a bus, a gateway and workers on this machine, and keeps them running."""
