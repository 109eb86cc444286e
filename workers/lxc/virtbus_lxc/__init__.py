"""The LXC family: libvirt's domain XML on containers of this machine, by the lxc-* commands.

`config` translates between a domain and LXC's configuration; `host` has the containers that run, each a `container`
with a runtime `folder`; `driver` is put together from a module for each facet.
"""
