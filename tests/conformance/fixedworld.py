"""The world in which the recorded command lines were made: paths, descriptors, settings, environment."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from virtbus_qemu.settings import Descriptors, DisplaySettings, QemuSettings, TlsSettings

LIBRARY = "/var/lib/libvirt/qemu"
RUNTIME = "/var/run/libvirt/qemu"

ENVIRONMENT = {"LC_ALL": "C", "PATH": "/bin", "HOME": "", "USER": "test", "LOGNAME": "test"}
"""What QEMU has of the caller's environment; the home becomes the domain's own."""


def _tls(name: str) -> TlsSettings:
    return TlsSettings(folder=Path(f"/etc/pki/libvirt-{name}"))


_DISPLAY = DisplaySettings(
    vnc_tls=_tls("vnc"),
    spice_tls=_tls("spice"),
    rdp_tls=_tls("rdp"),
    sasl=Path("/etc/sasl2"),
    spice_password="123456",
)

_SETTINGS = QemuSettings(
    nvram=Path(f"{LIBRARY}/nvram"),
    memory=Path(f"{LIBRARY}/ram"),
    hugepages={2048: Path("/dev/hugepages2M"), 1048576: Path("/dev/hugepages1G")},
    spare_root_ports=0,
    channels=Path(f"{RUNTIME}/channel"),
    runtime=Path(RUNTIME),
    display=_DISPLAY,
    chardev_tls=_tls("chardev"),
    vxhs_tls=_tls("vxhs"),
    nbd_tls=_tls("nbd"),
    numa_nodes=frozenset(range(4)),
    descriptors=Descriptors(
        monitor=1729,
        sockets=1729,
        first_file=1750,
        first_tap=3,
        vhost_net=44,
        vsock=6789,
        helper=42,
        vhost_user_gpu=1729,
    ),
)


def settings(case: Mapping[str, Any]) -> QemuSettings:
    """The settings of a case: the usual ones, with its own changes."""
    options, config = case.get("options") or {}, case.get("config") or {}
    display, chardev_tls = _SETTINGS.display, _SETTINGS.chardev_tls
    for name, value in config.items():
        key = name.partition("->")[2]
        if key in ("vncTLS", "spiceTLS", "vncTLSx509verify", "vncTLSx509secretUUID"):
            display = _with_display_tls(display, key, str(value))
        elif key in _SWITCHES:
            display = replace(display, **{_SWITCHES[key]: True})
        elif key == "chardevTLS":
            chardev_tls = replace(chardev_tls, enabled=True)
        elif key == "chardevTLSx509verify":
            chardev_tls = replace(chardev_tls, verify=True)
    plugins = options.get("nbdkit_caps", ()) if options.get("nbdkit") else None
    descriptors = replace(
        _SETTINGS.descriptors,
        vdpa={each["dev"]: int(each["fd"]) for each in options.get("vdpa_fds", ())},
        groups={each["name"]: tuple(map(int, each["fds"])) for each in options.get("fd_groups", ())},
        writable_groups=frozenset(
            each["name"] for each in options.get("fd_groups", ()) if each.get("writable") == "true"
        ),
    )
    return replace(
        _SETTINGS,
        emulator=Path(f"/usr/bin/qemu-system-{case['arch']}"),
        display=display,
        chardev_tls=chardev_tls,
        nbdkit=None if plugins is None else frozenset(map(_plugin, plugins)),
        gic=_GICS.get(options.get("gic", ""), frozenset()),
        descriptors=descriptors,
    )


#: Switches of the displays, by libvirt's names of them.
_SWITCHES = {
    "vncSASL": "vnc_sasl",
    "vncAutoUnixSocket": "vnc_auto_socket",
    "spiceAutoUnixSocket": "spice_auto_socket",
    "nogfxAllowHostAudio": "host_audio_without_graphics",
}

_GICS = {
    "GIC_V2": frozenset({"2"}),
    "GIC_V3": frozenset({"3"}),
    "GIC_BOTH": frozenset({"2", "3"}),
}


def _with_display_tls(display: DisplaySettings, key: str, value: str) -> DisplaySettings:
    if key == "spiceTLS":
        return replace(display, spice_tls=replace(display.spice_tls, enabled=True))
    secret = value.removeprefix('g_strdup("').removesuffix('")')
    change: dict[str, Any] = {
        "vncTLS": {"enabled": True},
        "vncTLSx509verify": {"verify": True},
        "vncTLSx509secretUUID": {"secret": secret},
    }[key]
    return replace(display, vnc_tls=replace(display.vnc_tls, **change))


def _plugin(constant: str) -> str:
    """Such as plugin-curl."""
    return constant.removeprefix("QEMU_NBDKIT_CAPS_").lower().replace("_", "-")


def shell_text(variables: Mapping[str, str], argv: Sequence[str]) -> str:
    """A command line with its environment, an option a line."""
    lines = [f"{name}={value}" for name, value in variables.items()]
    for word in argv:
        if word.startswith("-") or len(lines) == len(variables):
            lines.append(shlex.quote(word))
        else:
            lines[-1] += f" {shlex.quote(word)}"
    return " \\\n".join(lines) + "\n"
