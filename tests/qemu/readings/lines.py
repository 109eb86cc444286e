"""Character devices, screens and the TPM: what is at the host's end of them."""

from __future__ import annotations

from pathlib import Path

from tests.qemu.readings.view import Readings, View
from virtbus.domain.chardev import Channel, CharDevice, CharType
from virtbus.domain.domain import Domain
from virtbus.domain.graphics import Graphics, GraphicsType, ListenType
from virtbus.domain.redirdev import Redirdev
from virtbus.domain.smartcard import Smartcard

#: What QEMU shows of each kind (QMP query-chardev); it has no word for the path of a file.
_SHOWN = {
    CharType.PTY: "pty:/dev/pts/",
    CharType.UNIX: "unix:{path},server=on",
    CharType.TCP: ":{host}:{service},server=on",
    CharType.UDP: "udp",
    CharType.FILE: "file",
    CharType.NULL: "null",
    CharType.STDIO: "stdio",
    CharType.SPICEVMC: "spicevmc",
    CharType.SPICEPORT: "spiceport",
    CharType.QEMU_VDAGENT: "qemu-vdagent",
}


async def lines(view: View) -> Readings:
    """Serial lines, consoles, channels, redirected devices."""
    found = {each["label"]: each["filename"] for each in await view.ask("query-chardev")}
    for device in _lines(view.live):
        source = device.sources[-1] if device.sources else None
        assert device.type is not None
        asked = _SHOWN[device.type].format(
            path=source.path if source else "",
            host=source.host if source else "",
            service=source.service if source else "",
        )
        shown = found.get(f"char{device.alias}", "nothing")
        yield f"{device.alias} on {asked}", True, asked in shown or shown
        files = [source.path] if device.type is CharType.FILE and source else []
        log = getattr(device, "log", None)
        for file in [*files, *([log.file] if log else [])]:
            yield f"{device.alias} file {file}", True, Path(file or "").exists()
        if isinstance(device, Channel) and device.target is not None:
            yield f"{device.alias} name", device.target.name, await view.of(device.alias, "name")


def _lines(domain: Domain) -> list[CharDevice | Smartcard]:
    devices = domain.devices
    # The first console is the serial line itself.
    consoles = [each for each in devices.consoles if each.target and each.target.type == "virtio"]
    every = [*devices.serials, *devices.parallels, *consoles, *devices.channels, *devices.redirdevs]
    return [*every, *(card for card in devices.smartcards if card.mode == "passthrough")]


async def screens(view: View) -> Readings:
    """VNC and SPICE servers: where they listen, and who may look."""
    for screen in view.live.devices.graphics:
        if screen.type is GraphicsType.VNC:
            servers = await view.ask("query-vnc-servers")
            places = [each for server in servers for each in server["server"]]
            for asked in _places(screen):
                yield "vnc at", asked, next((each for each in map(_place, places) if each == asked), places)
            yield "vnc auth", "vnc" if screen.password else "none", servers[0]["auth"]
        elif screen.type is GraphicsType.SPICE:
            server = await view.ask("query-spice")
            yield "spice", True, server["enabled"]
            yield "spice auth", "spice" if screen.password else "none", server["auth"]
            if (screen.port or 0) > 0:
                yield "spice at", (screen.listens[0].address, screen.port), (server["host"], server["port"])


def _places(screen: Graphics) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for listen in screen.listens:
        if listen.type is ListenType.SOCKET:
            found.append((listen.socket or "", ""))
        else:
            ports = [port for port in (screen.port, screen.websocket) if port]
            found += [(listen.address or "", str(port)) for port in ports]
    return found


def _place(server: dict[str, str]) -> tuple[str, str]:
    return (server["service"], "") if server["family"] == "unix" else (server["host"], server["service"])


async def tpms(view: View) -> Readings:
    """The TPM and what imitates it."""
    found = await view.ask("query-tpm")
    asked = [(each.model, each.backend.type) for each in view.live.devices.tpms]
    yield (
        "tpm",
        [(str(model), str(kind)) for model, kind in asked],
        [(each["model"], each["options"]["type"]) for each in found],
    )


async def redirected(view: View) -> Readings:
    """Which devices may be redirected."""
    rules = view.live.devices.redir_filter
    for device in view.live.devices.redirdevs:
        assert isinstance(device, Redirdev)
        if rules is not None:
            shown = await view.of(device.alias, "filter")
            yield f"{device.alias} rules", len(rules.rules), len(shown.split("|"))
