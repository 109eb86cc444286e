"""The world in which the recorded command lines were made: paths, descriptors, settings, environment."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tests.conformance import storageworld
from virtbus.cpu import CpuDefinition
from virtbus.domain.cpu import CpuFeaturePolicy
from virtbus.domain.device import HostAddress
from virtbus.domain.domain import Domain
from virtbus.domain.graphics import ListenType
from virtbus.domain.interface import ActualInterface, InterfaceSource, InterfaceType
from virtbus_qemu.hostdevices import ANY_DEVICES
from virtbus_qemu.hostpci import HostPci
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
    render_node=Path("/dev/dri/foo"),
)

_HOST_PCI = HostPci(
    groups={
        **dict.fromkeys(("0001:01:00.0", "0001:01:00.1"), 0),
        **dict.fromkeys(("0005:90:01.0", "0005:90:01.1", "0005:90:01.2"), 1),
        "0000:06:12.2": 2,
    },
    conventional=frozenset(),
)
"""The host's PCI functions."""

_SETTINGS = QemuSettings(
    host_pci=_HOST_PCI,
    library=Path(LIBRARY),
    nvram=Path(f"{LIBRARY}/nvram"),
    memory=Path(f"{LIBRARY}/ram"),
    hugepages={2048: Path("/dev/hugepages2M"), 1048576: Path("/dev/hugepages1G")},
    below_hugepages=Path("libvirt/qemu"),
    channels=Path(f"{RUNTIME}/channel"),
    runtime=Path(RUNTIME),
    passt=Path(f"{RUNTIME}/passt"),
    tpm_socket=Path("/dev/test"),
    vsock_cid=42,
    host_devices=ANY_DEVICES,
    cdroms=storageworld.CDROMS,
    vault=storageworld.OneSecret(),
    volumes=storageworld.NamedVolumes(),
    display=_DISPLAY,
    chardev_tls=_tls("chardev"),
    vxhs_tls=_tls("vxhs"),
    nbd_tls=_tls("nbd"),
    numa_nodes=frozenset(range(4)),
    node_cpus={node: frozenset(range(4 * node, 4 * node + 4)) for node in range(4)},
    descriptors=Descriptors(
        monitor=1729,
        sockets=1729,
        first_file=1750,
        first_tap=3,
        vhost_net=44,
        bridged_tap=102,
        vhost_scsi=3,
        tpm=1730,
        vdpa_net=1732,
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
        elif name in _SOUND:
            display = replace(display, **{_SOUND[name]: str(value)})
        elif name == "env:PIPEWIRE_RUNTIME_DIR":
            display = replace(display, pipewire=Path(str(value)))
        elif key in _SWITCHES:
            display = replace(display, **{_SWITCHES[key]: True})
        elif key == "chardevTLS":
            chardev_tls = replace(chardev_tls, enabled=True)
        elif key == "chardevTLSx509secretUUID":
            chardev_tls = replace(chardev_tls, secret=_unquoted(str(value)))
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
        tpm_versions=_TPM_VERSIONS.get(config.get("env:TEST_TPM_ENV_VAR", "")),
        descriptors=descriptors,
    )


#: What of the caller's environment says how sound is played.
_SOUND = {"env:QEMU_AUDIO_DRV": "host_audio", "env:SDL_AUDIODRIVER": "host_sdl_driver"}

#: Switches of the displays, by libvirt's names of them.
_SWITCHES = {
    "vncSASL": "vnc_sasl",
    "vncAutoUnixSocket": "vnc_auto_socket",
    "spiceAutoUnixSocket": "spice_auto_socket",
    "nogfxAllowHostAudio": "host_audio_without_graphics",
    "vncAllowHostAudio": "host_audio_with_vnc",
}

_GICS = {
    "GIC_V2": frozenset({"2"}),
    "GIC_V3": frozenset({"3"}),
    "GIC_BOTH": frozenset({"2", "3"}),
}

_TPM_VERSIONS = {"TPM_VER_1_2": frozenset({"1.2"}), "TPM_VER_2_0": frozenset({"2.0"})}


def _with_display_tls(display: DisplaySettings, key: str, value: str) -> DisplaySettings:
    if key == "spiceTLS":
        return replace(display, spice_tls=replace(display.spice_tls, enabled=True))
    secret = _unquoted(value)
    change: dict[str, Any] = {
        "vncTLS": {"enabled": True},
        "vncTLSx509verify": {"verify": True},
        "vncTLSx509secretUUID": {"secret": secret},
    }[key]
    return replace(display, vnc_tls=replace(display.vnc_tls, **change))


def _unquoted(value: str) -> str:
    return value.removeprefix('g_strdup("').removesuffix('")')


def _plugin(constant: str) -> str:
    """Such as plugin-curl."""
    return constant.removeprefix("QEMU_NBDKIT_CAPS_").lower().replace("_", "-")


def connect(domain: Domain) -> None:
    """What the recorded networks made of displays and cards that name them: a port's kind is in the network's name."""
    for display in domain.devices.graphics:
        for listen in display.listens:
            if listen.type is ListenType.NETWORK:
                listen.address = "192.168.122.1"
    for card in domain.devices.interfaces:
        if card.type is InterfaceType.NETWORK and card.source is not None:
            plug = (card.source.network or "").partition(";plug-")[2].partition("-")[0]
            if plug == "hostdev":
                card.actual = ActualInterface(type=InterfaceType.HOSTDEV, source=InterfaceSource(address=_LENT))
            elif plug:
                card.actual = ActualInterface(type=InterfaceType(plug))


_LENT = HostAddress(type="pci", domain=1, bus=2, slot=3, function=4)
"""The card of the host that the recorded networks lend."""


def shell_text(variables: Mapping[str, str], argv: Sequence[str]) -> str:
    """A command line with its environment, an option a line."""
    lines = [f"{name}={value}" for name, value in variables.items()]
    for word in argv:
        if word.startswith("-") or len(lines) == len(variables):
            lines.append(shlex.quote(word))
        else:
            lines[-1] += f" {shlex.quote(word)}"
    return " \\\n".join(lines) + "\n"


#: The processors of the hosts that cases name: the model, and for a PC its features beyond it.
_HOSTS: dict[str, tuple[str, str]] = {
    "QEMU_CPU_DEF_HASWELL": (
        "Haswell",
        "vme ds acpi ss ht tm pbe dtes64 monitor ds_cpl vmx smx est tm2 xtpr pdcm f16c rdrand pdpe1gb abm lahf_lm",
    ),
    "QEMU_CPU_DEF_POWER8": ("POWER8", ""),
    "QEMU_CPU_DEF_POWER9": ("POWER9", ""),
    "QEMU_CPU_DEF_POWER10": ("POWER10", ""),
}


def host_processor(name: str | None) -> CpuDefinition | None:
    """The processor of the host that a case names."""
    if name is None:
        return None
    model, features = _HOSTS[name]
    policies = dict.fromkeys(features.split(), CpuFeaturePolicy.REQUIRE)
    return CpuDefinition(model=model, vendor="Intel" if features else "IBM", features=policies)


def now() -> datetime:
    """The time at which every command line was made, in the time zone of its making."""
    return datetime.fromtimestamp(1234567890, timezone(-timedelta(minutes=30)))
