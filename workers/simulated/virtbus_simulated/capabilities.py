"""What a simulated host can do, as libvirt's <capabilities>."""

from __future__ import annotations

from virtbus.xml.namespace import escape_value
from virtbus_simulated.definition import ARCHITECTURES

_GUEST = """  <guest>
    <os_type>hvm</os_type>
    <arch name='{arch}'>
      <wordsize>{bits}</wordsize>
      <domain type='test'/>
    </arch>
    <features>
      <acpi default='on' toggle='yes'/>
      <apic default='on' toggle='no'/>
    </features>
  </guest>
"""

_BITS = {"x86_64": 64, "i686": 32}


def capabilities(machine: str) -> str:
    """The document; `machine` is the host's UUID."""
    guests = "\n".join(_GUEST.format(arch=arch, bits=_BITS[arch]) for arch in ARCHITECTURES)
    return (
        "<capabilities>\n"
        "  <host>\n"
        f"    <uuid>{escape_value(machine)}</uuid>\n"
        "    <cpu>\n"
        f"      <arch>{ARCHITECTURES[0]}</arch>\n"
        "    </cpu>\n"
        "  </host>\n\n"
        f"{guests}"
        "</capabilities>\n"
    )
