"""A program of its own: mounts in a running container. Run as `python inner.py ACTION NAMESPACE ARGUMENTS`.

    bind    FD SOURCE TARGET dir|file ro|rw   show a folder or file of the host
    memory  FD BYTES TARGET ro|rw             a file system in memory
    unmount FD TARGET dir|file                take either away, with an empty file that stood for a node

FD is an open descriptor of the container's mount namespace. The source is cloned in the host's namespace first
(open_tree(2)), then the program enters the container's, so that no link in the container leads out of it. The numbers
are those of Linux's system calls, the same on every architecture since 5.2, and of linux/mount.h.
"""

import ctypes
import os
import sys
from collections.abc import Callable

OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
OPEN_TREE_CLONE, AT_RECURSIVE, AT_EMPTY_PATH = 1, 0x8000, 0x1000
OPEN_TREE_CLOEXEC, MOVE_MOUNT_F_EMPTY_PATH = os.O_CLOEXEC, 4
MOUNT_ATTR_RDONLY = 1
AT_FDCWD = -100
CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_NOSUID, MS_NODEV = 1, 2, 4
MNT_DETACH = 2

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> int:
    """The result of a system call; ends the program where it failed."""
    if result < 0:
        sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def enter(namespace: str) -> None:
    """Enter the container's mount namespace, and its root."""
    checked(libc.setns(int(namespace), CLONE_NEWNS), "cannot enter the container")


def make_place(target: str, kind: str) -> None:
    """What is mounted on must be there."""
    if kind == "dir":
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600) if not os.path.lexists(target)
             else os.open(target, os.O_PATH | os.O_NOFOLLOW))  # fmt: skip


def bind(namespace: str, source: str, target: str, kind: str, access: str) -> None:
    """Show a folder or file of the host in the container."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (AT_RECURSIVE if kind == "dir" else 0)
    tree = checked(libc.syscall(OPEN_TREE, AT_FDCWD, os.fsencode(source), flags), source)
    if access == "ro":
        attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY, 0, 0, 0)
        flags = AT_EMPTY_PATH | (AT_RECURSIVE if kind == "dir" else 0)
        size = ctypes.c_size_t(ctypes.sizeof(attributes))
        checked(libc.syscall(MOUNT_SETATTR, tree, b"", flags, ctypes.byref(attributes), size), source)
    enter(namespace)
    make_place(target, kind)
    moved = libc.syscall(MOVE_MOUNT, tree, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH)
    checked(moved, target)


def memory(namespace: str, size: str, target: str, access: str) -> None:
    """Mount a file system in memory."""
    enter(namespace)
    make_place(target, "dir")
    flags = MS_NOSUID | MS_NODEV | (MS_RDONLY if access == "ro" else 0)
    options = f"size={int(size)},mode=0755".encode()
    checked(libc.mount(b"tmpfs", os.fsencode(target), b"tmpfs", flags, options), target)


def unmount(namespace: str, target: str, kind: str) -> None:
    """Take a mount away; one that is not there is none."""
    enter(namespace)
    if not os.path.lexists(target):
        return
    libc.umount2(os.fsencode(target), MNT_DETACH)
    if kind == "file" and os.path.isfile(target) and not os.path.getsize(target):
        os.unlink(target)


ACTIONS: dict[str, Callable[..., None]] = {"bind": bind, "memory": memory, "unmount": unmount}

if __name__ == "__main__":
    try:
        ACTIONS[sys.argv[1]](*sys.argv[2:])
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}")
