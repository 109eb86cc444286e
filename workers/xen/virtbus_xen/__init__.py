"""The Xen worker: libvirt's domains on Xen, through xl on dom0 or over ssh, and on XAPI pools."""
