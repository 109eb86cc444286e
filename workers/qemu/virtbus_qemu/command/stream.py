"""The host's end of a stream of bytes, as QEMU's character devices.

    ends = stream.host_end(serial, context)         # TLS objects, then the chardev
    ends[-1].id                                     # charserial0

Order and names of the properties are libvirt's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from virtbus.domain.chardev import CharDevice, CharMode, CharProtocol, CharSource, CharType, MouseMode, Parallel
from virtbus.domain.device import Device, Reconnect
from virtbus.domain.redirdev import Redirdev
from virtbus.domain.rng import Rng, RngBackend
from virtbus.domain.smartcard import Smartcard
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import credentials
from virtbus_qemu.command.descriptor import pass_file
from virtbus_qemu.command.parts import Backend, BackendKind, Context, given

Stream = CharDevice | Smartcard | RngBackend

_MILLISECONDS = 1000


def host_end(device: Device, context: Context) -> tuple[Backend, ...]:
    """The chardev of a device, last, behind the objects that it needs.

    :raise ConfigUnsupported: QEMU has no such ends.
    """
    stream: Any = device.backend if isinstance(device, Rng) else device
    name = f"char{device.alias}"
    make = _KINDS.get(stream.type)
    flag = _NEEDS.get(stream.type)
    if make is None:
        raise _refused(f"unsupported chardev '{stream.type}'", device, context)
    if flag is not None and not context.has(flag):
        raise _refused(f"chardev '{stream.type}' not supported in this QEMU binary", device, context)
    source = stream.source if isinstance(stream, CharDevice) else next(iter(stream.sources), None)
    kind, values, opened = make(_End(device, stream, source or CharSource(), context))
    objects = _credentials(stream, source, name, context)
    if objects:
        values = {**values, "tls-creds": objects[-1].id}
    log, logged = _log(device, stream, context)
    properties = {"id": name, "backend": {"type": kind, "data": {**values, **log}}}
    return (*objects, chardev(properties, context, opened=(*opened, *logged)))


def chardev(properties: Mapping[str, Any], context: Context, opened: tuple[str, ...] = ()) -> Backend:
    """A chardev of given properties, those of QMP's chardev-add."""
    return Backend(BackendKind.CHARDEV, properties, json=context.has("chardev.json"), opened=opened)


def client(name: str, path: str, context: Context, reconnect: Reconnect | None = None) -> Backend:
    """A chardev that connects to a UNIX socket, such as that of a helper process."""
    data = {"addr": _unix(path), "server": False, **reconnection(reconnect, context)}
    return chardev({"id": name, "backend": {"type": "socket", "data": data}}, context)


def server(name: str, path: str, context: Context) -> Backend:
    """A chardev that waits on a UNIX socket for its one client."""
    return chardev({"id": name, "backend": {"type": "socket", "data": {"addr": _unix(path), "server": True}}}, context)


def reconnection(reconnect: Reconnect | None, context: Context) -> dict[str, Any]:
    """How often a lost connection is tried again, where something is said about it."""
    if reconnect is None or reconnect.enabled is None:
        return {}
    seconds = (reconnect.timeout or 0) if reconnect.enabled else 0
    if context.has("chardev-reconnect-miliseconds"):
        return {"reconnect-ms": seconds * _MILLISECONDS}
    return {"reconnect": seconds}


class _End:
    """One end, and what its description depends on."""

    def __init__(self, device: Device, stream: Stream, source: CharSource, context: Context) -> None:
        self.device = device
        self.stream = stream
        self.source = source
        self.context = context


_Made = tuple[str, dict[str, Any], tuple[str, ...]]
"""The kind of a chardev, its properties, and the options before it."""


def _plain(kind: str) -> Callable[[_End], _Made]:
    return lambda end: (kind, {}, ())


def _file(end: _End) -> _Made:
    first, path = end.context.settings.descriptors.first_file, end.source.path
    if first is None:
        return "file", given(out=path, append=end.source.append), ()
    # Where appending is decided by who opened it.
    _ = end.source.append
    opened, path = pass_file(end.context, first, f"{end.device.alias}-source")
    return "file", {"out": path, "append": True}, opened


def _device(end: _End) -> _Made:
    return "parallel" if isinstance(end.device, Parallel) else "serial", {"device": end.source.path}, ()


def _pipe(end: _End) -> _Made:
    return "pipe", {"device": end.source.path}, ()


def _udp(end: _End) -> _Made:
    # libvirt lists the end that QEMU binds and the one that it sends to as two sources.
    ends = {each.mode: each for each in end.stream.sources}
    far, near = ends.get(CharMode.CONNECT), ends.get(CharMode.BIND)
    values = {"remote": _inet(far)}
    if near is not None and (near.host or near.service):
        values["local"] = _inet(near)
    return "udp", values, ()


def _tcp(end: _End) -> _Made:
    protocol = end.stream.protocol
    if protocol not in (None, CharProtocol.RAW, CharProtocol.TELNET):
        raise _refused(f"tcp chardev protocol '{protocol}' not supported", end.device, end.context)
    telnet = {"telnet": protocol is CharProtocol.TELNET}
    return "socket", {"addr": _inet(end.source), **telnet, **_mode(end)}, ()


def _unix_socket(end: _End) -> _Made:
    listener = end.context.settings.descriptors.sockets
    mode = _mode(end)
    if listener is not None and mode["server"]:
        _ = end.source.path
        return "socket", {"addr": {"type": "fd", "data": {"str": str(listener)}}, **mode}, ()
    return "socket", {"addr": _unix(end.source.path or ""), **mode}, ()


def _spicevmc(end: _End) -> _Made:
    kinds = {Smartcard: "smartcard", Redirdev: "usbredir"}
    name = next((name for kind, name in kinds.items() if isinstance(end.device, kind)), "vdagent")
    return "spicevmc", {"type": name}, ()


def _spiceport(end: _End) -> _Made:
    return "spiceport", {"fqdn": end.source.channel}, ()


def _dbus(end: _End) -> _Made:
    return "dbus", {"name": end.source.channel}, ()


def _agent(end: _End) -> _Made:
    source = end.source
    return "qemu-vdagent", {"clipboard": bool(source.clipboard), "mouse": source.mouse is MouseMode.CLIENT}, ()


_KINDS: dict[CharType, Callable[[_End], _Made]] = {
    CharType.NULL: _plain("null"),
    CharType.VC: _plain("vc"),
    CharType.PTY: _plain("pty"),
    CharType.STDIO: _plain("stdio"),
    CharType.FILE: _file,
    CharType.DEV: _device,
    CharType.PIPE: _pipe,
    CharType.UDP: _udp,
    CharType.TCP: _tcp,
    CharType.UNIX: _unix_socket,
    CharType.SPICEVMC: _spicevmc,
    CharType.SPICEPORT: _spiceport,
    CharType.QEMU_VDAGENT: _agent,
    CharType.DBUS: _dbus,
}

_NEEDS = {CharType.DBUS: "display-dbus", CharType.QEMU_VDAGENT: "chardev.qemu-vdagent"}
"""The flags of kinds that not every QEMU has."""


def _inet(source: CharSource | None) -> dict[str, Any]:
    host, service = (source.host, source.service) if source else (None, None)
    return {"type": "inet", "data": {"host": host or "", "port": service or ""}}


def _unix(path: str) -> dict[str, Any]:
    return {"type": "unix", "data": {"path": path}}


def _mode(end: _End) -> dict[str, Any]:
    """Who connects. QEMU does not wait for its client: the guest runs without one."""
    if end.source.mode is not CharMode.CONNECT:
        return {"server": True, "wait": False}
    return {"server": False, **reconnection(end.source.reconnect, end.context)}


def _log(device: Device, stream: Stream, context: Context) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The file that the guest's output is also written to, and the options before the chardev."""
    log = None if isinstance(stream, RngBackend) else stream.log
    first = context.settings.descriptors.first_file
    if log is None:
        return {}, ()
    if first is None:
        return given(logfile=log.file, logappend=log.append), ()
    _ = log.file, log.append
    opened, path = pass_file(context, first + 1, f"{device.alias}-log")
    return {"logfile": path, "logappend": True}, opened


def _credentials(stream: Stream, source: CharSource | None, name: str, context: Context) -> tuple[Backend, ...]:
    """The objects of a TCP connection that is encrypted, because it says so or because the settings do."""
    settings = context.settings.chardev_tls
    if stream.type is not CharType.TCP or source is None:
        return ()
    if not (settings.enabled if source.tls is None else source.tls):
        return ()
    waits = source.mode is not CharMode.CONNECT
    # A client always looks at whom it talks to.
    settings = settings if waits else replace(settings, verify=True)
    return tuple(credentials.tls(context, f"obj{name}_tls0", settings, server=waits, owner=name))


def _refused(message: str, device: Device, context: Context) -> ConfigUnsupported:
    path = f"/domain/devices/{device.element_tag}/@type"
    return ConfigUnsupported(message, domain=context.domain.name, evidence={"path": path})
