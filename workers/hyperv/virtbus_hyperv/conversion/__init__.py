"""libvirt's hyperv domain XML on one side, what a Hyper-V machine has on the other; neither side knows of the wire.

`hardware_of` says what a definition asks for, `domain_of` shows what a machine has. What a definition says and does
not come back from both together would be lost, and is refused (`losses`).
"""
