"""Where displays listen: what a definition leaves open is decided when a domain starts."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

from virtbus.domain.domain import Domain
from virtbus.domain.graphics import ChannelMode, Graphics, GraphicsType, Listen, ListenType, OpenGl
from virtbus.errors import HypervisorError
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.settings import DisplaySettings, QemuSettings

_SERVERS = (GraphicsType.VNC, GraphicsType.SPICE, GraphicsType.RDP)

#: The ports that stand for those to be chosen while a definition is only tried out, as libvirt shows them.
_TRIAL = {GraphicsType.VNC: 5900, GraphicsType.SPICE: 5901, GraphicsType.RDP: 3389}
_TRIAL_TLS = 5902

_RDP_PORTS = (3389, 3689)
_WEBSOCKET_PORTS = (5700, 65535)
"""Of VNC over HTTP; 5700 is that of display 0 (QEMU manual, -vnc websocket)."""


def prepare(
    domain: Domain, folder: DomainFolder, settings: QemuSettings, *, choose_ports: bool, taken: Iterable[int]
) -> None:
    """Give every display its address, socket and ports.

    :param choose_ports: whether free TCP ports are looked for; not for a trial.
    :param taken: ports that are given to domains which may not listen there yet.
    :raise HypervisorError: no port is free.
    """
    given = set(taken)
    for device in domain.devices.graphics:
        _choose_render_node(device, settings.display)
        if device.type not in _SERVERS:
            continue
        for listen in device.listens:
            _say_where(device, listen, folder, settings.display)
        if choose_ports:
            _choose(device, settings.display, given)
        else:
            _pretend(device, settings.display)


def _say_where(device: Graphics, listen: Listen, folder: DomainFolder, settings: DisplaySettings) -> None:
    by_socket = {GraphicsType.VNC: settings.vnc_auto_socket, GraphicsType.SPICE: settings.spice_auto_socket}
    usual = {
        GraphicsType.VNC: settings.vnc_listen,
        GraphicsType.SPICE: settings.spice_listen,
        GraphicsType.RDP: settings.rdp_listen,
    }
    own_socket = str(folder.path / f"{device.type}.sock")
    if listen.type is ListenType.ADDRESS and listen.address is None:
        if by_socket.get(device.type):
            listen.type, listen.socket, listen.from_config = ListenType.SOCKET, own_socket, True
        else:
            listen.address, listen.from_config = usual[device.type], True
    elif listen.type is ListenType.SOCKET and listen.socket is None:
        listen.socket, listen.auto_generated = own_socket, True


def _choose_render_node(device: Graphics, settings: DisplaySettings) -> None:
    """Say on which device of the host the screen is drawn, where OpenGL draws it."""
    draws = device.type is GraphicsType.EGL_HEADLESS
    if device.type in (GraphicsType.SPICE, GraphicsType.DBUS):
        draws = device.gl is not None and bool(device.gl.enable)
    if not draws or (device.gl is not None and device.gl.render_node is not None):
        return
    node = settings.render_node or next(iter(sorted(_RENDER_NODES.glob("renderD*"))), None)
    if node is not None:
        device.gl = device.gl or OpenGl()
        device.gl.render_node = str(node)


_RENDER_NODES = Path("/dev/dri")


def _wants_port(device: Graphics) -> bool:
    first = device.listens[0] if device.listens else None
    return first is None or first.type in (ListenType.ADDRESS, ListenType.NETWORK)


def _spice_wishes(device: Graphics, settings: DisplaySettings) -> tuple[bool, bool]:
    """Whether a SPICE server is to have a plain and an encrypted port, which its channels' modes say."""
    if not device.autoport:
        return device.port == -1, device.tls_port == -1
    modes = [device.default_mode or ChannelMode.ANY, *(each.mode for each in device.channels)]
    if len({each.name for each in device.channels}) == _SPICE_CHANNELS:
        modes = modes[1:]
    plain = ChannelMode.ANY in modes or ChannelMode.INSECURE in modes
    secure = ChannelMode.SECURE in modes or (ChannelMode.ANY in modes and settings.spice_tls.enabled)
    return plain, secure


_SPICE_CHANNELS = 8
"""How many channels SPICE has; the default mode is that of those which are not named."""


def _pretend(device: Graphics, settings: DisplaySettings) -> None:
    if device.type is GraphicsType.SPICE:
        plain, secure = _spice_wishes(device, settings)
        device.port = _TRIAL[device.type] if plain else device.port
        device.tls_port = _TRIAL_TLS if secure else device.tls_port
    elif device.autoport:
        device.port = _TRIAL[device.type]


def _choose(device: Graphics, settings: DisplaySettings, taken: set[int]) -> None:
    if not _wants_port(device):
        return
    first = device.listens[0] if device.listens else None
    address = (first.address if first else None) or device.listen or settings.vnc_listen
    if device.type is GraphicsType.SPICE:
        plain, secure = _spice_wishes(device, settings)
        if plain:
            device.port = _free_port(address, settings.vnc_ports, taken)
        if secure:
            device.tls_port = _free_port(address, settings.vnc_ports, taken)
        return
    ports = settings.vnc_ports if device.type is GraphicsType.VNC else _RDP_PORTS
    if device.port in (None, -1, 0):
        device.port = _free_port(address, ports, taken)
    if device.websocket == -1:
        device.websocket = _free_port(address, _WEBSOCKET_PORTS, taken)


def _free_port(address: str, ports: tuple[int, int], taken: set[int]) -> int:
    """A port that nobody has, noted as taken."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in range(ports[0], ports[1] + 1):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                if port not in taken:
                    probe.bind((address, port))
                    taken.add(port)
                    return port
            except OSError:
                continue
    raise HypervisorError(f"no port from {ports[0]} to {ports[1]} is free for a display on {address}")
