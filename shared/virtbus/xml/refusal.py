"""Where in a document something was refused: its path and line, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from lxml import etree

from virtbus.errors import XmlError


def refuse(node: etree._Element, problem: str, *, attribute: str | None = None, hint: str | None = None) -> XmlError:
    """The error for something at `node` (or at one of its attributes)."""
    path = path_of(node, attribute)
    line = node.sourceline or 1
    return XmlError(f"{problem} (at {path}, line {line})", hint=hint, evidence={"path": path, "line": line})


def path_of(node: etree._Element, attribute: str | None = None) -> str:
    """Such as /domain/devices/disk[2]/@snapshot."""
    path = node.getroottree().getpath(node)
    return f"{path}/@{attribute}" if attribute else path


def nearest(word: str, known: Iterable[str]) -> str | None:
    """A hint that names what is known and looks alike."""
    alike = get_close_matches(word, list(known), n=3)
    return f"did you mean {' or '.join(alike)}?" if alike else None
