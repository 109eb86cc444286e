"""Where in a document something was refused: its path and line, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lxml import etree

from virtbus.errors import VirtbusError, XmlError

if TYPE_CHECKING:
    from virtbus.xml.codec import Codec, Refusal


def refuse(node: etree._Element, problem: str, *, attribute: str | None = None, hint: str | None = None) -> XmlError:
    """The error for something at `node` (or at one of its attributes)."""
    return XmlError(problem, hint=hint, evidence=_evidence(node, attribute))


def refuse_value(
    node: etree._Element, raw: str, codec: Codec, error: ValueError, *, attribute: str | None = None
) -> VirtbusError:
    """The error for a value that its codec does not know, in libvirt's words; the hint says what is expected."""
    if attribute is None:
        return refuse(node, f"Invalid value for element '{node.tag}': '{raw:.200}'", hint=str(error))
    kind, words = codec.refusal.error, codec.refusal.of(raw=raw, element=str(node.tag), attribute=attribute)
    return kind(words, hint=str(error), evidence=_evidence(node, attribute))


def refuse_words(node: etree._Element, refusal: Refusal, raw: str) -> VirtbusError:
    """The error for a content that is refused in these words."""
    return refusal.error(refusal.of(raw=raw, element=str(node.tag), attribute=None), evidence=_evidence(node, None))


def _evidence(node: etree._Element, attribute: str | None) -> dict[str, Any]:
    return {"path": path_of(node, attribute), "line": node.sourceline or 1}


def path_of(node: etree._Element, attribute: str | None = None) -> str:
    """Such as /domain/devices/disk[2]/@snapshot."""
    path = node.getroottree().getpath(node)
    return f"{path}/@{attribute}" if attribute else path


def nearest(word: str, known: Iterable[str]) -> str | None:
    """A hint that names what is known and looks alike."""
    from difflib import get_close_matches  # only a refusal needs it

    alike = get_close_matches(word, list(known), n=3)
    return f"did you mean {' or '.join(alike)}?" if alike else None
