"""What the administrator decides about QEMU processes: paths, confinement, defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from virtbus_qemu.hostdevices import KERNEL_DEVICES, HostDevices
from virtbus_qemu.hostpci import HostPci
from virtbus_qemu.vault import SYSTEM_SECRETS, Vault
from virtbus_qemu.volumes import NO_VOLUMES, Volumes


@dataclass(frozen=True, kw_only=True)
class Descriptors:
    """Which of QEMU's files and sockets are opened for it and passed as descriptors, and under which numbers.

    None leaves the opening to QEMU, by path or name.
    """

    monitor: int = 3
    """The monitor's listening socket."""
    sockets: int | None = None
    """Listening sockets of character devices: each gets this number where one was given. QEMU is told the number
    once per socket, so that two sockets have two numbers only where the opener renumbers them."""
    first_file: int | None = None
    """Files and logs of character devices, counted from here."""
    first_tap: int | None = None
    """Tap devices."""
    vhost_net: int | None = None
    """/dev/vhost-net."""
    vsock: int | None = None
    """/dev/vhost-vsock."""
    helper: int | None = None
    """Sockets of slirp's helper."""
    vhost_user_gpu: int | None = None
    """Sockets of GPU processes."""
    bridged_tap: int | None = None
    """Tap devices on bridges and networks."""
    tpm: int | None = None
    """The host's TPM; the file that cancels its work follows."""
    vhost_scsi: int | None = None
    """/dev/vhost-scsi."""
    vdpa_net: int | None = None
    """vDPA devices of network cards."""
    vdpa: Mapping[str, int] = field(default_factory=dict)
    """vDPA devices by path."""
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Groups of descriptors that the user passed for disks, by name."""
    writable_groups: frozenset[str] = frozenset()
    """Those of them that may be written to."""


@dataclass(frozen=True, kw_only=True)
class TlsSettings:
    """Encryption of one kind of connection."""

    enabled: bool = False
    folder: Path
    """Where its certificates lie."""
    verify: bool = False
    """Whether clients must have a certificate too."""
    secret: str | None = None
    """The UUID of the secret that opens the key."""


@dataclass(frozen=True, kw_only=True)
class DisplaySettings:
    """VNC, SPICE and RDP."""

    vnc_listen: str = "127.0.0.1"
    """Where VNC servers listen that name no address."""
    vnc_ports: tuple[int, int] = (5900, 65535)
    """The first and the last port of VNC servers that choose their own."""
    vnc_tls: TlsSettings = TlsSettings(folder=Path("/etc/pki/virtbus-vnc"))
    vnc_sasl: bool = False
    vnc_auto_socket: bool = False
    """Whether VNC servers that say nothing listen on a unix socket of the domain's folder."""
    vnc_password: str | None = None
    spice_listen: str = "127.0.0.1"
    spice_tls: TlsSettings = TlsSettings(folder=Path("/etc/pki/virtbus-spice"))
    spice_sasl: bool = False
    spice_auto_socket: bool = False
    spice_password: str | None = None
    rdp_listen: str = "127.0.0.1"
    rdp_tls: TlsSettings = TlsSettings(folder=Path("/etc/pki/virtbus-rdp"))
    sasl: Path | None = None
    """A folder of SASL's configuration in place of the system's."""
    host_audio: str | None = None
    """What plays the sound of guests that may use the host's: alsa, pulseaudio, ...; None leaves it to QEMU."""
    host_sdl_driver: str | None = None
    """Which driver SDL plays it with, where that is SDL."""
    host_audio_without_graphics: bool = False
    """Whether guests without graphics may use the host's sound."""
    pipewire: Path | None = None
    """The folder with PipeWire's socket, for domains that name none."""
    render_node: Path | None = None
    """The device of the host that screens are drawn on where none is named; None for the first that the host has."""
    host_audio_with_vnc: bool = False
    """Whether guests with VNC may."""


@dataclass(frozen=True, kw_only=True)
class QemuSettings:
    """Settings of one host."""

    emulator: Path = Path("/usr/bin/qemu-system-x86_64")
    """The binary of domains that name none."""
    library: Path = Path("/var/lib/virtbus/qemu")
    """Where earlier starts of domains made sockets that their definitions then named, though nobody asked for them."""
    nvram: Path = Path("/var/lib/virtbus/qemu/nvram")
    """Where the variable stores of UEFI domains are kept."""
    tpm: Path = Path("/var/lib/virtbus/qemu/tpm")
    """Where emulated TPMs keep their state, a folder for each domain."""
    virtiofsd: str = "/usr/lib/qemu/virtiofsd"
    """The virtiofs daemon of shared folders that name none."""
    memory: Path = Path("/var/lib/virtbus/qemu/ram")
    """Where file-backed memory lies."""
    hugepages: Mapping[int, Path] = field(default_factory=dict)
    """Mounts of hugetlbfs by page size in KiB; the first is the default."""
    below_hugepages: Path = Path("virtbus/qemu")
    """The folder on those mounts that domains' own folders are made in."""
    sandbox: bool = True
    """Whether QEMU's seccomp filter is on."""
    launcher: tuple[str, ...] = ()
    """A program and its arguments that QEMU and its daemons are started through, such as systemd-run, which gives each
    a scope of its own; it must become what it starts (execve(2)), since descriptors and the process's id stay."""
    run_as: str | None = None
    """The user that QEMU becomes once it has opened its files; None keeps the worker's."""
    vhost_net: bool = False
    """Whether virtio cards on a tap device use the kernel's vhost-net unless they say otherwise."""
    spare_root_ports: int = 1
    """How many free PCIe root ports a new q35 domain gets besides those it needs, for hot-plug."""
    host_pci: HostPci = field(default_factory=HostPci)
    """What is known of the host's PCI functions."""
    channels: Path | None = None
    """Where the sockets of channels lie that name none; None for the domain's runtime folder."""
    runtime: Path = Path("/run/virtbus/qemu")
    """Where sockets of helper processes lie: dbus, rdp."""
    passt: Path | None = None
    """Where sockets of passt lie; None for the domain's runtime folder."""
    tpm_socket: Path | None = None
    """The socket of every emulated TPM; None for one in the domain's runtime folder."""
    tpm_versions: frozenset[str] | None = None
    """The versions of the standard that the host can emulate, such as 1.2 and 2.0; None where that is not known."""
    vsock_cid: int | None = None
    """The number of guests that leave the choice to the host; None for no choice."""
    display: DisplaySettings = DisplaySettings()
    chardev_tls: TlsSettings = TlsSettings(folder=Path("/etc/pki/virtbus-chardev"))
    vxhs_tls: TlsSettings = TlsSettings(folder=Path("/etc/pki/virtbus-vxhs"))
    nbd_tls: TlsSettings = TlsSettings(folder=Path("/etc/pki/virtbus-nbd"))
    nbdkit: frozenset[str] | None = None
    """The plugins and filters of nbdkit, where it shall reach network disks; None leaves them to QEMU."""
    numa_nodes: frozenset[int] | None = None
    """The host's NUMA nodes; None for those that it has."""
    node_cpus: Mapping[int, frozenset[int]] | None = None
    """The processors of the host's NUMA nodes; None for those that they have."""
    gic: frozenset[str] = frozenset()
    """Versions of ARM's interrupt controller that the host has, such as 2 and 3, where QEMU did not say."""
    cdroms: frozenset[str] | None = None
    """The host's optical drives by path; None asks the kernel."""
    vault: Vault = SYSTEM_SECRETS
    """Where the values of secrets are."""
    volumes: Volumes = NO_VOLUMES
    """Where the volumes of storage pools are."""
    host_devices: HostDevices = KERNEL_DEVICES
    """Where devices of the host are that are passed to guests."""
    descriptors: Descriptors = Descriptors()
