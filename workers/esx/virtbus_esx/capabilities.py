"""What a VMware host can do, as libvirt's <capabilities>."""

from __future__ import annotations

from virtbus.xml.namespace import escape_value
from virtbus_esx.nodes import Properties, number

_GUEST = """  <guest>
    <os_type>hvm</os_type>
    <arch name='{arch}'>
      <wordsize>{bits}</wordsize>
      <domain type='vmware'/>
    </arch>
  </guest>
"""


def capabilities(machine: str | None, facts: Properties) -> str:
    """The document.

    :param machine: the host's UUID.
    """
    info = facts.get("hardware.cpuInfo")
    packages, cores, threads = (
        (1, 1, 1)
        if info is None
        else tuple(number(info, name) or 1 for name in ("numCpuPackages", "numCpuCores", "numCpuThreads"))
    )
    uuid = f"    <uuid>{escape_value(machine)}</uuid>\n" if machine else ""
    guests = "\n".join(_GUEST.format(arch=arch, bits=bits) for arch, bits in (("i686", 32), ("x86_64", 64)))
    return (
        "<capabilities>\n"
        "  <host>\n"
        f"{uuid}"
        "    <cpu>\n"
        "      <arch>x86_64</arch>\n"
        f"      <topology sockets='{packages}' dies='1' clusters='1' cores='{max(cores // packages, 1)}'"
        f" threads='{max(threads // cores, 1)}'/>\n"
        "    </cpu>\n"
        "  </host>\n\n"
        f"{guests}"
        "</capabilities>\n"
    )
