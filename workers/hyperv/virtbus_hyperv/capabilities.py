"""What a Hyper-V host can do, as libvirt's <capabilities>."""

from __future__ import annotations

from virtbus.xml.namespace import escape_value

_GUEST = """  <guest>
    <os_type>hvm</os_type>
    <arch name='{arch}'>
      <wordsize>{bits}</wordsize>
      <domain type='hyperv'/>
    </arch>
  </guest>
"""
_BITS = {"i686": 32, "x86_64": 64}


def capabilities(identity: str, processors: int) -> str:
    """The document.

    :param identity: the host's UUID.
    :param processors: its logical processors.
    """
    guests = "\n".join(_GUEST.format(arch=arch, bits=bits) for arch, bits in _BITS.items())
    cpus = f"      <topology sockets='1' dies='1' cores='{processors}' threads='1'/>\n" if processors else ""
    return (
        "<capabilities>\n  <host>\n"
        f"    <uuid>{escape_value(identity)}</uuid>\n    <cpu>\n      <arch>x86_64</arch>\n{cpus}    </cpu>\n"
        "  </host>\n\n"
        f"{guests}</capabilities>\n"
    )
