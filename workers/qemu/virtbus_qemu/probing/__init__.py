"""libvirt's view of what a QEMU binary can do: capability flags, processor models, machine types."""
