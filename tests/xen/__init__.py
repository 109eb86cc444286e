"""The Xen worker's tests; those on the real hypervisor boot it, with its dom0, in QEMU."""
