"""What a host of containers can do, as libvirt's <capabilities>."""

from __future__ import annotations

import platform
from uuid import UUID

from lxml import etree

_BITS = {"x86_64": "64", "aarch64": "64", "ppc64le": "64", "s390x": "64", "riscv64": "64"}


def host_capabilities(machine: str) -> str:
    """The document.

    :param machine: the machine's identity, 32 hexadecimal digits where it has a machine-id.
    """
    root = etree.Element("capabilities")
    host = etree.SubElement(root, "host")
    if len(machine) == 32:
        etree.SubElement(host, "uuid").text = str(UUID(hex=machine))
    cpu = etree.SubElement(host, "cpu")
    etree.SubElement(cpu, "arch").text = platform.machine()
    guest = etree.SubElement(root, "guest")
    etree.SubElement(guest, "os_type").text = "exe"
    arch = etree.SubElement(guest, "arch", name=platform.machine())
    etree.SubElement(arch, "wordsize").text = _BITS.get(platform.machine(), "32")
    etree.SubElement(arch, "domain", type="lxc")
    features = etree.SubElement(guest, "features")
    etree.SubElement(features, "privnet")
    return etree.tostring(root, pretty_print=True, encoding="unicode")
