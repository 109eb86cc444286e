"""What definitions of real guests need of their host: images, folders, servers, bridges, huge pages.

All of it is made in a folder of the test, and undone after. The paths of a definition are moved below that folder.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from virtbus.domain import Domain
from virtbus.domain.disk import Disk
from virtbus.domain.storage import Encryption, HostTransport, ImageFormat, StorageSource, StorageType

PASSPHRASE = b"correct horse battery staple"
"""Of every encrypted image."""

LIMIT = 30.0
"""Seconds that a program of the host may take."""

OVERLAY = "overlay.qcow2"
"""How the names of images end that have a backing image of which the definition says nothing."""

_SIZE = 4 << 20
_TRIES = 20
_UNMEASURED = "Unable to get accurate CPU usage"
_HUGE_PAGE_KIB = 2048
_HUGE_PAGES = Path(f"/sys/kernel/mm/hugepages/hugepages-{_HUGE_PAGE_KIB}kB/nr_hugepages")

#: The folders of definitions that are moved; others, such as /usr and /dev/urandom, are the host's own.
_MOVED = re.compile(r"(?<=['\">])(?=/(?:var|srv|run|dev/vg0)/)")


class Unable(Exception):
    """This host cannot give something that a definition asks for; the words say what."""


def moved(text: str, root: Path) -> str:
    """A definition with its paths below a folder."""
    return _MOVED.sub(str(root), text)


def run(*words: object) -> str:
    """What a program of the host says."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout.strip()


def attempt(*words: object) -> str:
    """As `run`, of what not every host lets one do.

    :raise Unable: it fails.
    """
    try:
        return run(*words)
    except (OSError, AssertionError) as error:
        raise Unable(f"this host cannot do {' '.join(map(str, words))}: {error}") from error


@dataclass
class Scenery:
    """The host's side of one definition."""

    root: Path
    undo: ExitStack = field(default_factory=ExitStack)

    @property
    def secrets(self) -> Path:
        """Where the values of secrets are."""
        return self.root / "secrets"

    @property
    def hugepages(self) -> Path:
        """Where hugetlbfs is mounted."""
        return self.root / "hugepages"

    def build(self, domain: Domain) -> None:
        """Make all that a definition names.

        :raise Unable: this host cannot.
        """
        for make in (_folders, _kernel, _disks, _bridge, _huge_pages):
            make(self, domain)


def _folders(scene: Scenery, domain: Domain) -> None:
    """Shared folders, and those that files and sockets will lie in."""
    shared = [each.source.dir for each in domain.devices.filesystems if each.source]
    shared += [each.source.dir for each in domain.devices.disks if each.source and each.source.dir]
    for path in shared:
        Path(path or "").mkdir(parents=True, exist_ok=True)
    prefix = f"{scene.root}/"
    for path in re.findall(rf"{re.escape(prefix)}[^'\"<]+", domain.format(secure=True)):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    for sysinfo in domain.sysinfo:
        for entry in sysinfo.entries:
            if entry.file is not None:
                Path(entry.file).write_text('{"ignition": {"version": "3.4.0"}}')


def _kernel(scene: Scenery, domain: Domain) -> None:
    """A kernel that has no more than the header by which loaders know one (Linux, Documentation/arch/x86/boot.rst)."""
    if domain.os is None or domain.os.kernel is None:
        return
    image = bytearray(16 << 10)
    image[0x1F1] = 4  # sectors of set-up code
    image[0x1FE:0x200] = b"\x55\xaa"
    image[0x202:0x206] = b"HdrS"
    image[0x206:0x208] = (0x020C).to_bytes(2, "little")
    image[0x211] = 1  # loaded high
    image[0x22C:0x230] = (0x7FFFFFFF).to_bytes(4, "little")  # the highest address of an initrd
    Path(domain.os.kernel).write_bytes(image)
    if domain.os.initrd is not None:
        Path(domain.os.initrd).write_bytes(bytes(4096))


def _disks(scene: Scenery, domain: Domain) -> None:
    for disk in domain.devices.disks:
        if disk.source is not None and disk.type in _DISKS:
            _DISKS[disk.type](scene, disk, disk.source)


def _file(scene: Scenery, disk: Disk, source: StorageSource) -> None:
    """An image with its chain, from the bottom up."""
    if source.file is None:
        return
    chain = [(source.file, disk.driver.type if disk.driver else None, source.encryption)]
    store = disk.backing_store
    while store is not None and store.source is not None and store.source.file is not None:
        chain.append((store.source.file, store.image_format.type if store.image_format else None, None))
        store = store.backing_store
    if source.file.endswith(OVERLAY):
        chain.append((source.file.removesuffix(OVERLAY) + "base.qcow2", ImageFormat.QCOW2, None))
    below: tuple[str, ImageFormat] | None = None
    for path, layout, encryption in reversed(chain):
        _image(scene, path, layout or ImageFormat.RAW, encryption, below)
        below = (path, layout or ImageFormat.RAW)


def _image(
    scene: Scenery, path: str, layout: ImageFormat, encryption: Encryption | None, below: tuple[str, ImageFormat] | None
) -> None:
    if layout is ImageFormat.RAW and encryption is None:
        with Path(path).open("wb") as file:
            file.truncate(_SIZE)
        return
    words: list[object] = ["qemu-img", "create", "-q"]
    if encryption is not None:
        words += _secret(scene, encryption)
        is_bare = layout is ImageFormat.RAW
        cost = "iter-time=10" if is_bare else "encrypt.iter-time=10"
        key = "key-secret=s" if is_bare else "encrypt.format=luks,encrypt.key-secret=s"
        words += ["-o", f"{key},{cost}"]
        layout = ImageFormat.LUKS if is_bare else layout
    if below is not None:
        words += ["-b", below[0], "-F", below[1].value]
    _create(*words, "-f", layout.value, path, _SIZE)


def _create(*words: object) -> None:
    """Run qemu-img; anew where it could not tell how fast this machine encrypts, which on some it often cannot."""
    for left in reversed(range(_TRIES)):
        try:
            run(*words)
            return
        except AssertionError as error:
            if _UNMEASURED not in str(error) or not left:
                raise


def _secret(scene: Scenery, encryption: Encryption) -> list[object]:
    """The passphrase, for the worker in its folder of secrets, and for qemu-img."""
    scene.secrets.mkdir(exist_ok=True)
    reference = encryption.secrets[0]
    name = str(reference.uuid) if reference.uuid else f"{reference.type}:{quote(reference.usage or '', safe='')}"
    file = scene.secrets / name
    file.write_bytes(PASSPHRASE)
    return ["--object", f"secret,id=s,file={file}"]


def _block(scene: Scenery, disk: Disk, source: StorageSource) -> None:
    """A loop device under a volume's name."""
    name = Path(source.dev or "")
    backing = name.with_suffix(".img")
    with backing.open("wb") as file:
        file.truncate(_SIZE)
    loop = attempt("losetup", "--find", "--show", backing)
    scene.undo.callback(run, "losetup", "--detach", loop)
    name.symlink_to(loop)


def _network(scene: Scenery, disk: Disk, source: StorageSource) -> None:
    """An NBD server on a unix socket."""
    host = source.hosts[0]
    assert host.transport is HostTransport.UNIX
    assert host.socket is not None
    image = Path(host.socket).with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(_SIZE)
    read_only = ["--read-only"] if disk.readonly else []
    pid = Path(host.socket).with_suffix(".pid")
    served = ["-f", "raw", "-k", host.socket, "-x", source.name, "--persistent", "--shared=4", *read_only]
    # It returns once it listens.
    run("qemu-nbd", "--fork", f"--pid-file={pid}", *served, image)
    scene.undo.callback(lambda: os.kill(int(pid.read_text()), 15))


_DISKS: dict[StorageType, Callable[[Scenery, Disk, StorageSource], None]] = {
    StorageType.FILE: _file,
    StorageType.BLOCK: _block,
    StorageType.NETWORK: _network,
}


def _bridge(scene: Scenery, domain: Domain) -> None:
    """A bridge of the test's own stands for whichever is named."""
    sources = [each.source for each in domain.devices.interfaces if each.source and each.source.bridge]
    if not sources:
        return
    name = f"vbreal{os.getpid() % 10**6}"
    attempt("ip", "link", "add", name, "type", "bridge")
    scene.undo.callback(run, "ip", "link", "delete", name)
    run("ip", "link", "set", name, "up")
    for source in sources:
        source.bridge = name


def _huge_pages(scene: Scenery, domain: Domain) -> None:
    """As many huge pages as the guest has memory, mounted."""
    if domain.memory_backing is None or domain.memory_backing.hugepages is None or domain.memory is None:
        return
    wanted = domain.memory.kib // _HUGE_PAGE_KIB
    try:
        before = int(_HUGE_PAGES.read_text())
        _HUGE_PAGES.write_text(str(before + wanted))
        scene.undo.callback(_HUGE_PAGES.write_text, str(before))
        now = int(_HUGE_PAGES.read_text())
    except OSError as error:
        raise Unable("this kernel gives no huge pages") from error
    if now < before + wanted:
        raise Unable(f"this kernel gives {now - before} huge pages of {wanted}")
    scene.hugepages.mkdir()
    attempt("mount", "-t", "hugetlbfs", "-o", f"pagesize={_HUGE_PAGE_KIB}K", "hugetlbfs", scene.hugepages)
    scene.undo.callback(run, "umount", scene.hugepages)
