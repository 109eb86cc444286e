"""An initramfs in cpio's newc format (kernel: Documentation/driver-api/early-userspace/buffer-format.rst)."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field

_DIRECTORY = stat.S_IFDIR | 0o755
_EXECUTABLE = stat.S_IFREG | 0o755
_DEVICE = stat.S_IFCHR | 0o600


@dataclass
class Initrd:
    """Collects files and writes the archive; folders are made as needed."""

    _content: bytearray = field(default_factory=bytearray)
    _folders: set[str] = field(default_factory=set)
    _entries: int = 0

    def file(self, path: str, content: bytes) -> None:
        """Add an executable file."""
        self._parents(path)
        self._entry(path, _EXECUTABLE, content)

    def device(self, path: str, major: int, minor: int) -> None:
        """Add a character device."""
        self._parents(path)
        self._entry(path, _DEVICE, b"", (major, minor))

    def folder(self, path: str) -> None:
        """Add an empty folder."""
        self._parents(path + "/")

    def archive(self) -> bytes:
        """The archive so far, closed."""
        closed = Initrd(bytearray(self._content), set(), self._entries)
        closed._entry("TRAILER!!!", 0, b"")
        return bytes(closed._content)

    def _parents(self, path: str) -> None:
        for end in (i for i, character in enumerate(path) if character == "/"):
            if path[:end] not in self._folders:
                self._folders.add(path[:end])
                self._entry(path[:end], _DIRECTORY, b"")

    def _entry(self, path: str, mode: int, content: bytes, device: tuple[int, int] = (0, 0)) -> None:
        self._entries += 1
        name = path.encode() + b"\0"
        # inode, mode, uid, gid, links, mtime, size, dev major, dev minor, rdev major, rdev minor, name size, check
        numbers = (self._entries, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0)
        self._content += b"070701" + b"".join(b"%08x" % number for number in numbers) + name
        self._pad()
        self._content += content
        self._pad()

    def _pad(self) -> None:
        self._content += bytes(-len(self._content) % 4)
