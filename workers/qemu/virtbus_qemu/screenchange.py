"""What of a running guest's display can be changed: who may look at it, and until when. The rest stays as it is.

The rules and words are libvirt's (qemuDomainChangeGraphics).
"""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.graphics import Graphics, GraphicsType, Listen, ListenType
from virtbus.errors import ConfigUnsupported

_OPEN = (GraphicsType.VNC, GraphicsType.SPICE)
"""The displays that ask for a password."""


def merged(old: Graphics, new: Graphics) -> Graphics:
    """The display as it is once the change is made.

    :raise ConfigUnsupported: it listens elsewhere, or speaks another keyboard's language.
    """
    for words, path in _differences(old, new):
        raise ConfigUnsupported(f"cannot change {words} on '{old.type}' graphics", evidence={"path": path})
    changed = old.copy()
    if old.type in _OPEN:
        changed.password, changed.password_valid_to = new.password, new.password_valid_to
        changed.connected = new.connected
    return changed


def _differences(old: Graphics, new: Graphics) -> Iterator[tuple[str, str]]:
    before, after = _listens(old), _listens(new)
    if len(before) != len(after):
        yield "the number of listen addresses", "/graphics/listen"
    for one, other in zip(before, after, strict=False):
        if one.type is not other.type:
            yield "the type of listen address", "/graphics/listen/@type"
        elif one.type is ListenType.SOCKET and other.socket not in (None, one.socket):
            yield "listen socket setting", "/graphics/listen/@socket"
        elif one.type is ListenType.NETWORK and one.network != other.network:
            yield "listen address setting", "/graphics/listen/@network"
        elif one.type is ListenType.ADDRESS and (one.address or None) != (other.address or None):
            yield "listen address setting", "/graphics/listen/@address"
    if _ports(old) != _ports(new):
        yield "port settings", "/graphics/@port"
    if old.keymap != new.keymap:
        yield "keymap setting", "/graphics/@keymap"


def _listens(graphics: Graphics) -> list[Listen]:
    """Where a display listens; one that says nothing listens on the address of its attribute, or on the usual one."""
    if graphics.listens or graphics.type not in _OPEN:
        return graphics.listens
    if graphics.socket is not None:
        return [Listen(type=ListenType.SOCKET, socket=graphics.socket)]
    return [Listen(type=ListenType.ADDRESS, address=graphics.listen)]


def _ports(graphics: Graphics) -> tuple[int | None, ...] | None:
    """The ports that a definition says; None where they are found at start."""
    wanted = [None if port in (None, -1, 0) else port for port in (graphics.port, graphics.tls_port)]
    if graphics.autoport or (graphics.autoport is None and wanted == [None, None]):
        return None
    return tuple(wanted)


def is_due(old: Graphics, new: Graphics) -> bool:
    """Whether QEMU must be told: of another password, or of the same whose life begins anew."""
    if old.password_valid_to is not None or new.password_valid_to is not None:
        return True
    return (old.password, old.connected) != (new.password, new.connected)
