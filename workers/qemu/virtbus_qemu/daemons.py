"""The programs that serve devices of one domain beside QEMU: swtpm for a TPM, virtiofsd for a shared
folder, passt for a card.

    await daemons.start(domain, folder, settings, timeout=20)       # before QEMU, which connects to their sockets
    await daemons.end(domain, folder, settings)                     # after QEMU

Each listens on a socket of the domain's runtime folder and ends by itself when QEMU lets go of it; like QEMU they
outlive the worker. Which of them run is not written down: they are the processes that name the folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from virtbus.domain.device import Device
from virtbus.domain.domain import Domain
from virtbus.domain.filesystem import Filesystem, FilesystemType, VirtiofsBinary
from virtbus.domain.interface import Interface, InterfaceType
from virtbus.domain.tpm import Tpm, TpmBackendType, TpmVersion
from virtbus.errors import ConfigUnsupported, HypervisorError, HypervisorGone, HypervisorSilent
from virtbus_qemu import passt
from virtbus_qemu.folder import DomainFolder
from virtbus_qemu.process import Identity, Process
from virtbus_qemu.settings import QemuSettings

_LOOK = 0.01
"""Seconds between two looks for a socket."""
_PATIENCE = 2.0
"""Seconds that one is given to end by itself."""
_LAST_WORDS = 2000


@dataclass(frozen=True)
class Daemon:
    """A program that serves one device."""

    alias: str
    program: str
    """Its name, for people."""
    package: str
    """What Debian calls the package that has it."""
    argv: tuple[str, ...]
    socket: Path
    state: Path | None = None
    """A lasting folder of its own."""


def of(domain: Domain, folder: Path, settings: QemuSettings) -> Iterator[Daemon]:
    """The daemons that a live domain needs.

    :raise ConfigUnsupported: something is asked of one of them that the worker does not arrange.
    """
    for device in domain.devices.every():
        for kind, make in _MAKERS.items():
            if isinstance(device, kind):
                daemon = make(device, domain, folder, settings)
                if daemon is not None:
                    yield daemon


def tpm_state(domain: Domain, settings: QemuSettings) -> Path:
    """Where a domain's TPM keeps what must not be lost."""
    return settings.tpm / str(domain.uuid)


def _tpm(device: Tpm, domain: Domain, folder: Path, settings: QemuSettings) -> Daemon | None:
    backend = device.backend
    if backend.type is not TpmBackendType.EMULATOR:
        return None
    for name in ("encryption", "active_pcr_banks", "profile", "source", "debug"):
        if getattr(backend, name) is not None:
            raise ConfigUnsupported(
                f"the worker does not set up the TPM's {name}",
                domain=domain.name,
                hint="leave it out, or start swtpm yourself and name its socket: <backend type='external'>",
                evidence={"path": f"/domain/devices/tpm/backend/{name}"},
            )
    # The worker keeps it when the guest ends; the driver, when the domain is undefined.
    _ = backend.persistent_state
    state, path = tpm_state(domain, settings), folder / "swtpm.sock"
    version = [] if backend.version is TpmVersion.V1_2 else ["--tpm2"]
    argv = ["swtpm", "socket", "--ctrl", f"type=unixio,path={path},mode=0600"]
    argv += ["--tpmstate", f"dir={state},mode=0600", "--terminate", *version]
    return Daemon(device.alias or "tpm0", "swtpm", "swtpm", tuple(argv), path, state)


def _virtiofs(device: Filesystem, domain: Domain, folder: Path, settings: QemuSettings) -> Daemon | None:
    source = device.source
    if device.driver is None or device.driver.type != "virtiofs" or source is None or source.socket is not None:
        return None
    if device.type is not FilesystemType.MOUNT or source.dir is None or device.idmap is not None:
        raise ConfigUnsupported(
            "the worker's virtiofsd shares a folder, without an id map",
            domain=domain.name,
            hint="start virtiofsd yourself and name its socket: <source socket='...'/>",
            evidence={"path": "/domain/devices/filesystem"},
        )
    # virtiofsd knows no other way than the one that the checks let pass.
    _ = device.accessmode
    binary = device.binary or VirtiofsBinary()
    path = folder / f"{device.alias}-fs.sock"
    argv = [binary.path or settings.virtiofsd, f"--socket-path={path}", "-o", f"source={source.dir}"]
    words = {"cache": binary.cache, "sandbox": binary.sandbox}
    argv += [word for name, value in words.items() if value is not None for word in ("-o", f"{name}={value}")]
    locks = binary.lock
    switches = {
        "xattr": binary.xattr,
        "posix_lock": locks.posix if locks else None,
        "flock": locks.flock if locks else None,
    }
    argv += [
        word
        for name, switch in switches.items()
        if switch is not None
        for word in ("-o", name if switch else f"no_{name}")
    ]
    argv += [f"--thread-pool-size={binary.thread_pool.size}"] if binary.thread_pool else []
    argv += [f"--rlimit-nofile={binary.openfiles}"] if binary.openfiles else []
    return Daemon(device.alias or "fs0", "virtiofsd", "qemu-system-common", tuple(argv), path)


def _passt(device: Interface, domain: Domain, folder: Path, settings: QemuSettings) -> Daemon | None:
    if device.type is not InterfaceType.USER or not passt.is_wanted(device):
        return None
    path = passt.socket(device, domain, folder, settings)
    return Daemon(device.alias or "net0", "passt", "passt", passt.arguments(device, path), path)


_MAKERS: dict[type[Device], Callable[..., Daemon | None]] = {Tpm: _tpm, Filesystem: _virtiofs, Interface: _passt}
"""What serves a kind of device."""


async def start(domain: Domain, folder: DomainFolder, settings: QemuSettings, *, timeout: float) -> None:
    """Start the daemons of a domain and wait until they listen. Where one fails, none stays.

    :param timeout: seconds until all of them must listen.
    :raise HypervisorError: one cannot be started; its words are in `evidence["answer"]`.
    """
    wanted = list(of(domain, folder.path, settings))
    if not wanted:
        return
    if not folder.exists():
        # The command line's secrets are encrypted with the key of the folder that is there.
        folder.create()
    # A start that was cut off has left its own, which hold what the new ones need.
    await sweep(folder)
    try:
        async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
            for daemon in wanted:
                group.create_task(_start(daemon, folder, settings.launcher), name=daemon.program)
    except* TimeoutError as errors:
        await end(domain, folder, settings)
        raise HypervisorSilent(
            f"a device's daemon did not listen within {timeout:g} s", domain=domain.name
        ) from errors.exceptions[0]
    except* HypervisorError as errors:
        await end(domain, folder, settings)
        raise errors.exceptions[0] from None


async def _start(daemon: Daemon, folder: DomainFolder, launcher: tuple[str, ...]) -> None:
    daemon.socket.unlink(missing_ok=True)
    if daemon.state is not None:
        _make(daemon.state)
    log = folder.path / f"{daemon.alias}-{daemon.program}.log"
    program = _program(daemon)
    process = Process.spawn((*launcher, program, *daemon.argv[1:]), log=log, descriptors={})
    try:
        while not _listens(daemon.socket):
            if process.ended is not None:
                said = log.read_text(errors="replace")[-_LAST_WORDS:].strip()
                raise HypervisorError(
                    f"{daemon.program} for {daemon.alias} {process.ended}: {said.splitlines()[-1] if said else ''}",
                    evidence={"answer": said},
                )
            await asyncio.sleep(_LOOK)
    except BaseException:
        process.close()
        raise
    process.release()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HypervisorError(
            f"the folder {folder} cannot be made: {error.strerror}",
            hint="the worker's settings name the folder that lasting state lies in",
        ) from error


def _program(daemon: Daemon) -> str:
    name = daemon.argv[0]
    places = [Path(name)] if "/" in name else [Path(part) / name for part in os.get_exec_path()]
    found = next((place for place in places if os.access(place, os.X_OK)), None)
    if found is None:
        raise HypervisorError(
            f"there is no {daemon.program} for {daemon.alias}",
            hint=f"install it (Debian: apt install {daemon.package})",
        )
    return str(found)


def _listens(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


async def end(domain: Domain, folder: DomainFolder, settings: QemuSettings) -> None:
    """End what is left of a domain's daemons, once its QEMU is gone."""
    if not any(True for _ in of(domain, folder.path, settings)):
        return
    await sweep(folder)


async def sweep(folder: DomainFolder) -> None:
    """End every daemon of a domain that runs now."""
    for identity in running(folder):
        with contextlib.suppress(HypervisorGone):
            process = Process.adopt(identity)
            try:
                await _stop(process)
            finally:
                process.close()


async def _stop(process: Process) -> None:
    process.signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_PATIENCE):
            await process.wait()
    except TimeoutError:
        await process.kill(timeout=_PATIENCE)


def running(folder: DomainFolder) -> list[Identity]:
    """The daemons of a domain that run now."""
    sockets = os.fsencode(f"{folder.path}/")
    found: list[Identity] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            is_daemon = Path(os.fsdecode(words[0])).name in _PROGRAMS
            if is_daemon and any(sockets in word for word in words[1:]):
                identity = Identity.of(int(entry.name))
                found += [identity] if identity else []
    return found


_PROGRAMS = ("swtpm", "virtiofsd", "passt")
