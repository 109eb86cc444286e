"""A document's file: its bytes, and the line on which something in it stands."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lxml import etree

from virtbus.errors import VirtbusError
from virtbus.xml import LIMIT, parse_document
from virtbus.xml.namespace import NAMESPACES

STDIN = "-"


@dataclass(frozen=True)
class Source:
    """A file that was read, or standard input."""

    name: str
    """As messages show it."""
    content: bytes

    @classmethod
    def open(cls, path: str) -> Source:
        """Read a file, or standard input for `-`; no more of it than a document may have.

        :raise OSError: it cannot be read.
        """
        if path == STDIN:
            return cls("<stdin>", sys.stdin.buffer.read(LIMIT + 1))
        with Path(path).open("rb") as file:
            return cls(path, file.read(LIMIT + 1))

    @property
    def is_json(self) -> bool:
        """Whether this is the JSON form of a document."""
        return self.content.lstrip()[:1] == b"{"

    @cached_property
    def root(self) -> etree._Element | None:
        """The root element; None where the file is not well formed, or not XML."""
        try:
            return parse_document(self.content)
        except VirtbusError:
            return None

    def line(self, path: str) -> int | None:
        """The line of the element that a path such as /domain/devices/disk[2]/@snapshot means, or of the nearest
        element around it; None where there is none."""
        if self.root is None:
            return None
        steps = path.split("/@")[0].strip("/").split("/")
        while steps:
            found = self._find("/" + "/".join(steps))
            if found is not None:
                line: Any = found.sourceline  # the stubs do not know that it is a number
                return int(line or 1)
            steps.pop()
        return None

    def _find(self, path: str) -> etree._Element | None:
        assert self.root is not None
        try:
            found = self.root.xpath(path, namespaces=NAMESPACES)
        except etree.XPathError:
            return None
        first = found[0] if isinstance(found, list) and found else None
        return first if isinstance(first, etree._Element) else None

    def comments(self) -> int:
        """How many comments and processing instructions it has."""
        return 0 if self.root is None else sum(not isinstance(node.tag, str) for node in self.root.iter())
