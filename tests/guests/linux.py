"""A small Linux guest that acknowledges hot-unplug, made from two Debian packages without root and without tools.

It prints GUEST-READY on the serial console, then evaluates each line it reads there and prints GUEST-RC and the exit
status. The ACPI power button turns it off. It boots under TCG with 96 MiB.

    python -m tests.guests.linux        builds it and prints where it is
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from tests.guests.debian import Package, contents, newest
from tests.guests.initrd import Initrd

CACHE = Path(__file__).parents[2] / ".cache" / "guest"
CMDLINE = "console=ttyS0 quiet loglevel=3 panic=-1 nokaslr"
MEMORY_MIB = 128

_KERNEL = r"linux-image-6\.1\.0-\d+-cloud-amd64"
_MODULES = (
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_scsi",
    "sd_mod",
    "virtio_balloon",
    "virtio_console",
    "virtio-rng",
    "button",
    "evdev",
)

_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in MODULES; do insmod /modules/$module.ko; done
acpid -d >/dev/null 2>&1 &
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo
echo GUEST-READY
while read -r line; do
    eval "$line"
    echo "GUEST-RC $?"
done
"""

_POWER_OFF = "#!/bin/busybox sh\npoweroff -f\n"


@dataclass(frozen=True)
class Guest:
    """What QEMU needs to boot it directly."""

    kernel: Path
    initrd: Path
    cmdline: str = CMDLINE


def build(cache: Path = CACHE) -> Guest:
    """The guest: one that was built before by the same recipe, else one of the newest packages.

    :raise PackagesUnavailable: the packages cannot be had; its text says what to do.
    """
    recipe = hashlib.sha256(repr((_INIT, _POWER_OFF, _MODULES)).encode()).hexdigest()[:12]
    for folder in sorted(cache.glob(f"*-{recipe}"), reverse=True):
        if (guest := _in(folder)).initrd.exists():
            return guest
    kernel, busybox = newest(_KERNEL), newest("busybox-static")
    folder = cache / f"{kernel.version}-{busybox.version}-{recipe}".replace(":", ".")
    folder.mkdir(parents=True, exist_ok=True)
    guest = _in(folder)
    _make(guest, kernel, busybox)
    return guest


def _in(folder: Path) -> Guest:
    return Guest(folder / "vmlinuz", folder / "initrd")


def _make(guest: Guest, kernel: Package, busybox: Package) -> None:
    files = contents(kernel, lambda path: path.startswith("boot/vmlinuz") or path.endswith(".ko"))
    modules = {Path(path).stem.replace("-", "_"): text for path, text in files.items() if path.endswith(".ko")}
    image = next(text for path, text in files.items() if path.startswith("boot/vmlinuz"))
    ordered = in_order([name.replace("-", "_") for name in _MODULES], modules)

    initrd = Initrd()
    initrd.device("dev/console", 5, 1)
    for folder in ("proc", "sys", "tmp"):
        initrd.folder(folder)
    shell = contents(busybox, lambda path: path in ("bin/busybox", "usr/bin/busybox"))
    initrd.file("bin/busybox", next(iter(shell.values())))
    for name in ordered:
        initrd.file(f"modules/{name}.ko", modules[name])
    initrd.file("etc/acpi/PWRF/00000080", _POWER_OFF.encode())
    initrd.file("init", _INIT.replace("MODULES", " ".join(ordered)).encode())
    _write(guest.kernel, image)
    _write(guest.initrd, initrd.archive())


def in_order(wanted: list[str], modules: dict[str, bytes]) -> list[str]:
    """The modules and all that they need, each after what it needs."""
    ordered: list[str] = []

    def take(name: str) -> None:
        found = re.search(rb"\0depends=([^\0]*)\0", modules[name])
        for need in found[1].decode().replace("-", "_").split(",") if found and found[1] else []:
            take(need)
        if name not in ordered:
            ordered.append(name)

    for name in wanted:
        take(name)
    return ordered


def _write(path: Path, content: bytes) -> None:
    # Two test runs may build at once.
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)


if __name__ == "__main__":
    built = build()
    print(f"kernel  {built.kernel}\ninitrd  {built.initrd}\ncmdline {built.cmdline}")
