"""The simulated hypervisor: a process of its own that outlives its clients. It imports nothing of the driver."""
