"""A disk with dom0 on it, and what QEMU needs to boot Xen with it: made of Debian's packages, kept by their versions.

    python -m tests.xen.image        builds it and prints where it is

dom0 is a Linux without systemd: busybox is its init, and a short script starts what xl needs. In /guest lie a kernel
and an initial RAM disk for paravirtual guests that answer what they are asked, and GRUB, which runs and answers
nobody. Modules that neither needs are left out.
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from tests.guests.debian import PackagesUnavailable, contents, newest
from tests.guests.initrd import Initrd
from tests.guests.linux import in_order

CACHE = Path(__file__).parents[2] / ".cache" / "xen"
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
DISK_MIB = 3000
BUILD_SECONDS = 900

PACKAGES = (
    "xen-utils-4.17", "xen-hypervisor-4.17-amd64", "xenstore-utils", "linux-image-amd64", "python3-minimal",
    "busybox-static", "kmod", "iproute2", "bridge-utils", "openssh-server", "procps", "util-linux",
)  # fmt: skip
KEYED = ("xen-utils-4.17", "xen-hypervisor-4.17-amd64", "linux-image-amd64")
"""The packages whose versions name the image."""

BOOT_MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")
DOM0_MODULES = ("virtio_net", "xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd", "xenfs", "xen-blkback",
                "xen-netback", "bridge", "loop", "dummy")  # fmt: skip
GUEST_MODULES = ("xen-blkfront", "xen-netfront")
GUEST_DISKS = ("root.img", "data.img")
NEEDLESS = ("boot", "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/zoneinfo", "var/cache",
            "var/lib/apt", "lib/modules", "usr/lib/modules")  # fmt: skip

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /new
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for module in MODULES; do /bin/busybox insmod /modules/$module.ko; done
while [ ! -b /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 -o noatime /dev/vda /new
exec /bin/busybox switch_root /new /bin/busybox init
"""

# The block script reads /dev/fd, and xl looks for what it needs below /run and /var.
SCRIPT = """#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc 2>/dev/null
mount -t sysfs sys /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
mkdir -p /run/lock /run/sshd /run/xen /run/xenstored /run/xen-hotplug /var/log/xen/console /var/lib/xen
hostname dom0
for module in MODULES; do insmod /lib/modules/$module.ko; done
mount -t xenfs xenfs /proc/xen
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip link add xenbr0 type bridge
ip link set xenbr0 up
bin=/usr/lib/xen-4.17/bin
$bin/xenstored --pid-file /run/xenstored.pid
while [ ! -S /run/xenstored/socket ]; do sleep 0.1; done
$bin/xen-init-dom0
$bin/xenconsoled --pid-file=/run/xenconsoled.pid --log=guest --log-dir=/var/log/xen/console
# GRUB never sleeps: without this, each of its guests takes its share of the only processor from dom0.
xl sched-credit -d 0 -w 65535
/usr/sbin/sshd
echo DOM0-READY >/dev/console
"""

# Xen's own scripts start two hundred processes each, which takes six seconds here; these do the same for raw files
# and for a bridge.
HOTPLUG = {
    "block": """#!/bin/sh
case $1 in
add)
    only=
    [ "$(xenstore-read "$XENBUS_PATH/mode")" = r ] && only=-r
    node=$(losetup -f --show $only "$(xenstore-read "$XENBUS_PATH/params")") || {
        xenstore-write "$XENBUS_PATH/hotplug-error" "losetup failed" "$XENBUS_PATH/hotplug-status" error
        exit 1
    }
    xenstore-write "$XENBUS_PATH/node" "$node" "$XENBUS_PATH/physical-device-path" "$node" \\
        "$XENBUS_PATH/physical-device" "7:$(printf %x "${node#/dev/loop}")" "$XENBUS_PATH/hotplug-status" connected
    ;;
remove)
    losetup -d "$(xenstore-read "$XENBUS_PATH/node")"
    ;;
esac
""",
    "vif-bridge": """#!/bin/sh
case $1 in
online|add)
    ip link set "$vif" master "$(xenstore-read "$XENBUS_PATH/bridge")" up
    xenstore-write "$XENBUS_PATH/hotplug-status" connected
    ;;
esac
""",
}

INITTAB = "::sysinit:/etc/start\n"

SSHD = """HostKey /etc/ssh/host_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
UseDNS no
MaxSessions 100
MaxStartups 100
Subsystem sftp internal-sftp
"""

# Its kernel asks /sbin/poweroff and /sbin/reboot when Xen's control/shutdown says so.
GUEST_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in MODULES; do insmod /modules/$module.ko; done
exec </dev/hvc0 >/dev/hvc0 2>&1
stty -echo
echo GUEST-READY
while :; do
    read -r line && eval "$line" && echo "GUEST-RC $?" || sleep 1
done
"""
POWER = "#!/bin/busybox sh\n{command} -f\n"


@dataclass(frozen=True)
class Image:
    """What is needed to boot Xen, and to be let in."""

    folder: Path

    @property
    def hypervisor(self) -> Path:
        return self.folder / "xen"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinux"

    @property
    def initrd(self) -> Path:
        return self.folder / "dom0-initrd"

    @property
    def disk(self) -> Path:
        return self.folder / "dom0.img"

    @property
    def client_key(self) -> Path:
        return self.folder / "client_key"

    @property
    def host_key(self) -> Path:
        """The public half."""
        return self.folder / "host_key.pub"

    @property
    def state(self) -> Path:
        """The booted machine, saved."""
        return self.folder / "state"


def build(cache: Path = CACHE) -> Image:
    """The image: one that was made before of the same packages by the same recipe, else a new one.

    :raise PackagesUnavailable: it cannot be made here; its text says what to do.
    """
    modules = (BOOT_MODULES, DOM0_MODULES, GUEST_MODULES)
    recipe = repr((DISK_MIB, PACKAGES, modules, INIT, SCRIPT, HOTPLUG, INITTAB, SSHD, GUEST_INIT, GUEST_DISKS))
    versions = "-".join(newest(name.replace(".", r"\.")).version.replace(":", ".").replace("/", ".") for name in KEYED)
    key = f"{versions}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    image = Image(cache / key)
    if not image.disk.exists():
        _make(image)
        for old in cache.glob("*"):
            if old != image.folder:
                shutil.rmtree(old)
    return image


def _make(image: Image) -> None:
    image.folder.mkdir(parents=True, exist_ok=True)
    tree = image.folder / "tree"
    if not tree.exists():
        _run(
            "mmdebstrap",
            "--variant=minbase",
            "--mode=root",
            f"--include={','.join(PACKAGES)}",
            SUITE,
            str(tree),
            MIRROR,
        )
    boot = tree / "boot"
    _run("sh", "-c", f"gzip -dc '{next(boot.glob('xen-*.gz'))}' > '{image.hypervisor}'")
    image.kernel.write_bytes(_uncompressed(next(boot.glob("vmlinuz-*")).read_bytes()))
    modules = {path.stem.replace("-", "_"): path.read_bytes() for path in (tree / "usr/lib/modules").rglob("*.ko")}
    modules |= {path.stem.replace("-", "_"): path.read_bytes() for path in (tree / "lib/modules").rglob("*.ko")}
    busybox = next(path for path in (tree / "bin/busybox", tree / "usr/bin/busybox") if path.exists()).read_bytes()
    image.initrd.write_bytes(_initrd(busybox, modules, BOOT_MODULES, INIT, {}))
    guest = {f"sbin/{name}": POWER.format(command=name).encode() for name in ("poweroff", "reboot")}
    guest_initrd = _initrd(busybox, modules, GUEST_MODULES, GUEST_INIT, guest)
    for path in NEEDLESS:
        shutil.rmtree(tree / path, ignore_errors=True)
    _furnish(tree, image, modules, guest_initrd)
    part = image.disk.with_suffix(".part")
    with part.open("wb") as file:
        file.truncate(DISK_MIB << 20)
    _run("mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum", "-d", str(tree), str(part))
    shutil.rmtree(tree)
    part.replace(image.disk)


def _initrd(
    busybox: bytes, modules: dict[str, bytes], wanted: tuple[str, ...], init: str, more: dict[str, bytes]
) -> bytes:
    names = in_order([each.replace("-", "_") for each in wanted], modules)
    initrd = Initrd()
    initrd.device("dev/console", 5, 1)
    for folder in ("proc", "sys", "tmp", "sbin", "new"):
        initrd.folder(folder)
    initrd.file("bin/busybox", busybox)
    for name in names:
        initrd.file(f"modules/{name}.ko", modules[name])
    for path, content in more.items():
        initrd.file(path, content)
    initrd.file("init", init.replace("MODULES", " ".join(names)).encode())
    return initrd.archive()


def _furnish(tree: Path, image: Image, modules: dict[str, bytes], guest_initrd: bytes) -> None:
    """Put in dom0's modules, its start, its keys, and the guests."""
    names = in_order([each.replace("-", "_") for each in DOM0_MODULES], modules)
    (tree / "lib/modules").mkdir(parents=True)
    for name in names:
        (tree / f"lib/modules/{name}.ko").write_bytes(modules[name])
    start = tree / "etc/start"
    start.write_text(SCRIPT.replace("MODULES", " ".join(names)))
    start.chmod(0o755)
    for name, text in HOTPLUG.items():
        (tree / "etc/xen/scripts" / name).write_text(text)
    (tree / "etc/inittab").write_text(INITTAB)
    (tree / "etc/ssh/sshd_config").write_text(SSHD)
    (tree / "etc/machine-id").write_text(hashlib.md5(str(image.folder).encode()).hexdigest() + "\n")
    host, client = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    host.write_private_key(str(tree / "etc/ssh/host_key"))
    (tree / "etc/ssh/host_key").chmod(0o600)
    host.write_public_key(str(image.host_key))
    client.write_private_key(str(image.client_key))
    image.client_key.chmod(0o600)
    allowed = tree / "root/.ssh"
    allowed.mkdir(mode=0o700, parents=True, exist_ok=True)
    client.write_public_key(str(allowed / "authorized_keys"))
    guests = tree / "guest"
    guests.mkdir()
    for name in GUEST_DISKS:
        (guests / name).write_bytes(bytes(1 << 20))
    (guests / "vmlinux").write_bytes(image.kernel.read_bytes())
    (guests / "initrd").write_bytes(guest_initrd)
    grub = contents(newest("grub-xen-host"), lambda path: path.endswith("grub-x86_64-xen.bin"))
    (guests / "grub").write_bytes(next(iter(grub.values())))


def _uncompressed(image: bytes) -> bytes:
    """The ELF file in a kernel's image: unpacking it under Xen would take seconds at each boot."""
    return lzma.LZMADecompressor().decompress(image[image.index(b"\xfd7zXZ\0") :])


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    except FileNotFoundError as error:
        raise PackagesUnavailable(f"{command[0]} is not here; run: make xen") from error
    if done.returncode:
        raise PackagesUnavailable(f"{command[0]} failed: {done.stderr.strip()[-1000:]}")


if __name__ == "__main__":
    print(build().folder)
