"""Keys of a machine's extra configuration: VMware's own that a domain speaks of, and ours for what it has no place for.

A VMware machine has one configuration, and what is changed while it runs is changed for good. So that a definition can
differ from what runs, it is kept beside it until the machine is off, and is put into force then.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode

from virtbus.domain import Domain

METADATA = "virtbus.metadata"
TITLE = "virtbus.title"
MOST_VCPUS = "virtbus.vcpus"
"""How many virtual processors may be plugged in."""
BOOT_CLASSES = "bios.bootDeviceClasses"
"""What the BIOS boots from, as `allow:cd,hd`."""
VNC = "remotedisplay.vnc."
"""Begins the keys of the VNC server, in lower case."""
REFLECT_HOST = "smbios.reflectHost"
DEFINITION = "virtbus.definition"
"""The definition that is to be in force as soon as the machine is off."""
TRANSIENT = "virtbus.transient"
"""Set for a machine that goes when it stops."""


def kept_definition(definition: Domain) -> str:
    """A definition as a note."""
    return b64encode(zlib.compress(definition.format(secure=True).encode(), 9)).decode()


def read_definition(note: str) -> Domain:
    """The definition that a note keeps."""
    return Domain.parse(zlib.decompress(b64decode(note)))
