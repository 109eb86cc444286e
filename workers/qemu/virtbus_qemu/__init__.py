"""The QEMU worker: libvirt's domain XML on QEMU processes."""
