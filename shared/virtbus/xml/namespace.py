"""The XML namespaces of the vocabulary, and how text is escaped."""

from __future__ import annotations

import re

from virtbus.errors import XmlError
from virtbus.xml.codec import FORBIDDEN

NAMESPACES: dict[str, str] = {}
"""Prefix to URI, as libvirt writes them."""


def namespace(prefix: str, uri: str) -> None:
    """Make a prefix known, so that tags such as `qemu:commandline` can be declared."""
    NAMESPACES[prefix] = uri


def qualified(tag: str) -> str:
    """The tag as lxml names it: `{uri}local` where it has a prefix."""
    prefix, colon, local = tag.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}" if colon else tag


_ESCAPE = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&apos;", '"': "&quot;", "\r": "&#13;"}
_TEXT = re.compile("[&<>'\"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_VALUE = re.compile("[&<>'\"\x00-\x1f\ud800-\udfff\ufffe\uffff]")
# A parser turns a bare line break in an attribute into a space, so it is written as a reference.
_ESCAPE_VALUE = _ESCAPE | {"\n": "&#10;", "\t": "&#9;"}


def escape_text(text: str) -> str:
    """Text between tags, escaped as libvirt does."""
    return text if _TEXT.search(text) is None else _escaped(text, _TEXT, _ESCAPE)


def escape_value(text: str) -> str:
    """An attribute's value, escaped as libvirt does."""
    return text if _VALUE.search(text) is None else _escaped(text, _VALUE, _ESCAPE_VALUE)


def _escaped(text: str, which: re.Pattern[str], table: dict[str, str]) -> str:
    if FORBIDDEN.search(text):
        raise XmlError(f"{text[:80]!r} has a character that XML does not allow")
    return which.sub(lambda match: table[match.group()], text)
