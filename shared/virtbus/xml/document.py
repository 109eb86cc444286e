"""Reading a document that anybody may have sent: bounded, and without entities, network or document types."""

from __future__ import annotations

from lxml import etree

from virtbus.errors import TooLarge, XmlError

LIMIT = 512 * 1024
"""The largest document in bytes; the bus carries no larger one."""

DEPTH = 220
"""The deepest nesting: libvirt follows backing chains of up to 200 images, and each nests one element."""


def parse_document(text: str | bytes, *, limit: int = LIMIT, depth: int = DEPTH) -> etree._Element:
    """The root element of a document.

    :param limit: the largest size in bytes.
    :param depth: the deepest nesting of elements.
    :raise TooLarge: it is larger than `limit`.
    :raise XmlError: it is not well formed, has a document type, or nests deeper than `depth`.
    """
    if len(text) > limit:
        raise TooLarge(f"the document has {len(text)} bytes, {limit} are allowed", evidence={"limit": limit})
    encoded = _encode(text) if isinstance(text, str) else text
    if len(encoded) > limit:
        raise TooLarge(f"the document has {len(encoded)} bytes, {limit} are allowed", evidence={"limit": limit})
    # A str has no encoding of its own any more, whatever its XML declaration says.
    parser = etree.XMLParser(
        encoding="utf-8" if isinstance(text, str) else None,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        recover=False,
    )
    try:
        root = etree.fromstring(encoded, parser)
    except etree.XMLSyntaxError as error:
        raise _syntax_error(error, encoded) from None
    except ValueError as error:
        raise XmlError(f"the document is not XML: {error}", evidence={"path": "/", "line": 1}) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise XmlError(
            "the document has a document type, which is refused",
            hint="remove the <!DOCTYPE ...> declaration",
            evidence={"path": "/", "line": 1},
        )
    if _nests_deeper(root, depth):
        raise XmlError(f"elements nest deeper than {depth} levels", evidence={"path": "/", "line": 1})
    return root


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise XmlError(
            f"the document has a character at line {line} that XML does not allow",
            evidence={"path": "/", "line": line},
        ) from None


def _syntax_error(error: etree.XMLSyntaxError, text: bytes) -> XmlError:
    """`evidence` has libxml2's words, the line that it was reading, and how far it was in it."""
    line = error.lineno or 1
    words = (error.msg or "not well formed").rpartition(", line ")[0] or error.msg or "not well formed"
    return XmlError(
        f"the document is not well formed at line {line}: {words}",
        hint="check the tags and quotes around that line",
        evidence={"path": "/", "line": line, "problem": words, **_context(text, line, error.offset or 1)},
    )


LONGEST_CONTEXT = 80
"""In bytes, of a line that is shown."""


def _context(text: bytes, line: int, column: int) -> dict[str, str | int]:
    """The line where reading ended, up to there; a line's end belongs to the line before it."""
    lines = text.splitlines()[:line]
    shown = lines[-1][: max(column - 1, 0)] if len(lines) == line else b""
    while not shown and lines:
        shown = lines.pop()
    return {"context": shown[-LONGEST_CONTEXT:].decode(errors="replace"), "column": len(shown)}


_DEEPER: dict[int, etree.XPath] = {}


def _nests_deeper(root: etree._Element, depth: int) -> bool:
    """Whether an element has `depth` ancestors; asked of libxml2 in one go, since walking in Python is slow."""
    expression = _DEEPER.get(depth)
    if expression is None:
        expression = _DEEPER.setdefault(depth, etree.XPath("boolean(" + "/*" * (depth + 1) + ")"))
    return bool(expression(root))
