"""What the host's ends of streams may not be."""

from __future__ import annotations

from virtbus.domain.chardev import (
    Channel,
    ChannelTargetType,
    CharDevice,
    CharMode,
    CharSource,
    CharType,
    Console,
    Serial,
)
from virtbus.domain.checks.problem import Problems, detail, internal, invalid, is_serial_console, malformed, places
from virtbus.domain.domain import Domain
from virtbus.domain.redirdev import Redirdev
from virtbus.domain.rng import Rng, RngBackend
from virtbus.domain.smartcard import Smartcard

Stream = CharDevice | Smartcard | RngBackend


def check_chardevs(domain: Domain) -> Problems:
    """Each end has what its type needs; channels have a target."""
    for path, device in places(domain):
        if isinstance(device, Rng):
            yield from _check_stream(f"{path}/backend", device.backend)
        elif isinstance(device, CharDevice | Smartcard) and not is_serial_console(domain, device):
            yield from _check_stream(path, device)
        if isinstance(device, Channel):
            yield from _check_channel(path, device)


_NEEDS: dict[CharType, tuple[str, ...]] = {
    CharType.TCP: ("host", "service"),
    CharType.FILE: ("path",),
    CharType.DEV: ("path",),
    CharType.PIPE: ("path",),
    CharType.NMDM: ("master", "slave"),
    CharType.SPICEPORT: ("channel",),
}
"""What the source of each type says."""


def _check_stream(path: str, device: Stream) -> Problems:
    if device.type is None:
        return
    if device.type is CharType.TCP and len(device.sources) > 1:
        yield malformed("only one source element is allowed for a tcp character device", f"{path}/source[2]")
    needed = _NEEDS.get(device.type, ())
    if device.type is CharType.UNIX and isinstance(device, Redirdev | Smartcard | RngBackend | Serial | Console):
        needed = ("path",)
    for source in device.sources or [CharSource()]:
        for name in needed:
            if getattr(source, name) is None:
                yield internal(f"Missing source {name} attribute for char device", f"{path}/source/@{name}")
    if device.type is CharType.UDP:
        connecting = [source for source in device.sources if source.mode is CharMode.CONNECT]
        if not connecting or connecting[0].service is None:
            yield internal("Missing source service attribute for char device", f"{path}/source/@service")
    for source in device.sources:
        yield from _check_reconnect(path, device, source)


def _check_reconnect(path: str, device: Stream, source: CharSource) -> Problems:
    """Only who connects can connect again, and says after which time."""
    reconnect = source.reconnect
    if reconnect is None or not reconnect.enabled:
        return
    named = device.type is not CharType.UNIX or source.path is not None
    if source.mode is not CharMode.CONNECT or not named:
        yield internal("chardev reconnect is possible only for connect mode", f"{path}/source/reconnect")
    elif reconnect.timeout is None:
        yield malformed("missing timeout for chardev with reconnect enabled", f"{path}/source/reconnect/@timeout")
    elif reconnect.timeout == 0:
        yield invalid("chardev reconnect source timeout cannot be '0'", f"{path}/source/reconnect/@timeout")


def _check_channel(path: str, channel: Channel) -> Problems:
    target = channel.target
    if target is None:
        yield detail("target type must be specified for channel device", f"{path}/target")
    elif target.type is ChannelTargetType.GUESTFWD:
        if target.address is None:
            yield detail("guestfwd channel does not define a target address", f"{path}/target/@address")
        if target.port is None:
            yield detail("guestfwd channel does not define a target port", f"{path}/target/@port")
