"""What a Xen host can do, as libvirt's <capabilities>."""

from __future__ import annotations

from collections.abc import Mapping

from virtbus.xml.namespace import escape_text, escape_value

_GUESTS = {
    "xen-3.0-x86_64": ("xen", "x86_64", 64, "xenpv"),
    "xen-3.0-aarch64": ("xen", "aarch64", 64, "xenpv"),
    "hvm-3.0-x86_32": ("hvm", "i686", 32, "xenfv"),
    "hvm-3.0-x86_64": ("hvm", "x86_64", 64, "xenfv"),
}
"""What Xen says of itself (`xen_caps`): the guest's kind, its processor, its word size, libvirt's machine."""

_GUEST = """  <guest>
    <os_type>{kind}</os_type>
    <arch name='{arch}'>
      <wordsize>{bits}</wordsize>
      <machine>{machine}</machine>
      <domain type='xen'/>
    </arch>
  </guest>
"""


def capabilities(info: Mapping[str, str], machine: str) -> str:
    """The document.

    :param info: the fields of `xl info`.
    :param machine: the host's identity.
    """
    found = [_GUESTS[word] for word in info.get("xen_caps", "").split() if word in _GUESTS]
    guests = "\n".join(_GUEST.format(kind=kind, arch=arch, bits=bits, machine=name) for kind, arch, bits, name in found)
    memory = int(info.get("total_memory", "0") or 0) * 1024
    return (
        "<capabilities>\n"
        "  <host>\n"
        f"    <uuid>{escape_value(machine)}</uuid>\n"
        "    <cpu>\n"
        f"      <arch>{escape_text(info.get('machine', 'x86_64'))}</arch>\n"
        "    </cpu>\n"
        "    <topology>\n"
        "      <cells num='1'>\n"
        "        <cell id='0'>\n"
        f"          <memory unit='KiB'>{memory}</memory>\n"
        "        </cell>\n"
        "      </cells>\n"
        "    </topology>\n"
        "  </host>\n\n"
        f"{guests}"
        "</capabilities>\n"
    )
