"""Whether two outputs of one kind mean the same: documents with their order of elements, words, data, or text."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import PurePath
from typing import Any

from lxml import etree

DOCUMENTS = {".xml", ".vbox"}
COMMAND_LINES = {".args", ".argv", ".ldargs"}


def same(path: str, actual: str, expected: str) -> bool:
    """Whether the output for `path` is as expected.

    :raise ValueError: one of the two cannot be read as what its name says.
    """
    if actual.rstrip() == expected.rstrip():
        return True
    suffix = PurePath(path).suffix
    if suffix in DOCUMENTS:
        return _document(actual) == _document(expected)
    if suffix in COMMAND_LINES:
        return _words(actual) == _words(expected)
    if suffix == ".json":
        return bool(json.loads(actual) == json.loads(expected))
    return False


def _document(text: str) -> Any:
    """The document as nested tuples; several roots are one document's children."""
    bare = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)
    parser = etree.XMLParser(remove_comments=True, remove_pis=True, resolve_entities=False)
    try:
        return _frozen(etree.fromstring(f"<all>{bare}</all>".encode(), parser))
    except etree.XMLSyntaxError as error:
        raise ValueError(str(error)) from error


def _frozen(node: etree._Element) -> Any:
    words = (node.text or "").strip() + "".join((kid.tail or "").strip() for kid in node)
    return node.tag, tuple(sorted(node.attrib.items())), words, tuple(_frozen(kid) for kid in node)


def _words(text: str) -> list[str]:
    return shlex.split(text.replace("\\\n", " "))


def relaid(text: str) -> str | None:
    """The same document with attributes turned round and other white space; None where it is no plain XML."""
    try:
        root = etree.fromstring(text.encode())
    except (etree.XMLSyntaxError, ValueError):
        return None
    for node in root.iter(etree.Element):
        turned = list(node.attrib.items())[::-1]
        node.attrib.clear()
        for name, value in turned:
            node.set(name, value)
        if node.text is not None and not node.text.strip():
            node.text = "\n\n \t" if node.text else node.text
        if node.tail is not None and not node.tail.strip():
            node.tail = "\n\n \t" if node.tail else node.tail
    return etree.tostring(root, encoding="unicode")
