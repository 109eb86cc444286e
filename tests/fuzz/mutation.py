"""Documents broken in ways that somebody or something may break them: their bytes, their tokens, their tree."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from random import Random

from lxml import etree

TOKEN = re.compile(rb"<[^<>\s/=]*|[^\s=<>/]+(?=\s*=)|'[^']*'|\"[^\"]*\"|/?>|[^<>\s]+|\s+")

VALUES = (
    "", " ", "0", "-1", "1", "-0", "+1", "007", "0x", "0x0", "0xffffffffffffffff", "4294967295", "4294967296",
    "18446744073709551615", "18446744073709551616", "9" * 40, "1e3", "1.5", "nan", "NaN", "inf", "yes", "no", "on",
    "off", "YES", "true", "none", "auto", "default", "unknown", "host-model", "virtio", "pci", "usb", "0-3,^2",
    "0-65535", "^0", "0-99999", "3-1", ",", "vda", "sdzzzzzzzzzz", "hda", "00:11:22:33:44:55", "ff:ff:ff:ff:ff:ff",
    "::1", "127.0.0.1", "../../../etc/passwd", "/dev/null", "%s%n%d", "{0}{x}", "$(id)", "\\", "\u0660\u0661",
    "\u00fc", "\U0001f600", "\u202e", "a\nb", "a\tb", "\u2028", "x" * 300, "x" * 5000, "qemu:commandline", "KiB",
    "EiB", "bytes", "ua-x", "ua-", "-", ".",
)  # fmt: skip
"""Values at the edges of what some attribute takes."""

SNIPPETS = (
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"<?xml version='1.0' encoding='UTF-16'?>", b"<![CDATA[", b"]]>", b"<!--",
    b"-->", b"&lt;", b"&a;", b"&#0;", b"&#x110000;", b"&#10;", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3\x28",
    b"<a/>", b"<a>" * 300, b"</domain>", b"<?pi x?>", b" xmlns='urn:x'", b" xmlns:qemu='urn:x'", b"'", b'"', b"<",
    b">", b"=",
)  # fmt: skip
"""Pieces that mean something to an XML parser."""

Mutation = Callable[[bytes, Random, Sequence[bytes]], bytes]


def mutated(seeds: Sequence[bytes], seed: int, number: int) -> bytes:
    """The broken document of that number; the same for the same seeds, seed and number."""
    random = Random(f"{seed}:{number}")
    document = random.choice(seeds)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        document = random.choice(LEVELS)(document, random, seeds)
    return document


# ---- bytes ----


def broken_bytes(document: bytes, random: Random, seeds: Sequence[bytes]) -> bytes:
    """A few bytes flipped, cut out, repeated, or replaced by a piece of another document."""
    if not document:
        return random.choice(SNIPPETS)
    begin = random.randrange(len(document))
    end = min(len(document), begin + random.choice((1, 1, 2, 8, 64, 1024)))
    piece = document[begin:end]
    match random.randrange(6):
        case 0:
            put = bytes(byte ^ (1 << random.randrange(8)) for byte in piece[:8]) + piece[8:]
        case 1:
            put = b""
        case 2:
            put = piece * random.choice((2, 3, 50))
        case 3:
            put = random.choice(SNIPPETS)
        case 4:
            other = random.choice(seeds)
            at = random.randrange(len(other)) if other else 0
            put = other[at : at + random.choice((8, 64, 512))]
        case _:
            return document[:begin]
    return document[:begin] + put + document[end:]


# ---- tokens ----


def broken_tokens(document: bytes, random: Random, seeds: Sequence[bytes]) -> bytes:
    """A name, value or text replaced, dropped, doubled or exchanged with another."""
    tokens: list[bytes] = TOKEN.findall(document)
    if not tokens:
        return random.choice(SNIPPETS)
    at, other = random.randrange(len(tokens)), random.randrange(len(tokens))
    match random.randrange(6):
        case 0:
            tokens[at] = _requoted(tokens[at], random.choice(VALUES))
        case 1:
            del tokens[at]
        case 2:
            tokens.insert(at, tokens[other])
        case 3:
            tokens[at], tokens[other] = tokens[other], tokens[at]
        case 4:
            theirs = TOKEN.findall(random.choice(seeds))
            tokens[at] = random.choice(theirs or [b""])
        case _:
            tokens.insert(at, random.choice(SNIPPETS))
    return b"".join(tokens)


def _requoted(token: bytes, value: str) -> bytes:
    raw = value.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;").encode()
    return b"'" + raw + b"'" if token[:1] in (b"'", b'"') else raw


# ---- the tree ----


def broken_tree(document: bytes, random: Random, seeds: Sequence[bytes]) -> bytes:
    """A well-formed document with elements and attributes dropped, doubled, moved, renamed or grafted."""
    root = _parsed(document)
    if root is None:
        return broken_bytes(document, random, seeds)
    nodes = [node for node in root.iter() if isinstance(node.tag, str)]
    for _ in range(random.choice((1, 1, 2, 4))):
        random.choice(TREE)(random.choice(nodes), nodes, random, seeds)
    return etree.tostring(root)


def _parsed(document: bytes) -> etree._Element | None:
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        return etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _holds(node: etree._Element, other: etree._Element) -> bool:
    return node is other or any(each is node for each in other.iterancestors())


def _drop(node: etree._Element, nodes: list[etree._Element], random: Random, seeds: Sequence[bytes]) -> None:
    parent = node.getparent()
    if parent is not None:
        parent.remove(node)


def _double(node: etree._Element, nodes: list[etree._Element], random: Random, seeds: Sequence[bytes]) -> None:
    parent = node.getparent()
    if parent is not None:
        for _ in range(random.choice((1, 1, 2, 40))):
            parent.insert(random.randrange(len(parent) + 1), copy.deepcopy(node))


def _move(node: etree._Element, nodes: list[etree._Element], random: Random, seeds: Sequence[bytes]) -> None:
    target = random.choice(nodes)
    if not _holds(node, target):
        target.append(node)


def _nest(node: etree._Element, nodes: list[etree._Element], random: Random, seeds: Sequence[bytes]) -> None:
    inner = node
    for _ in range(random.choice((1, 3, 100, 250))):
        inner = etree.SubElement(inner, node.tag, dict(node.attrib))


def _graft(node: etree._Element, nodes: list[etree._Element], random: Random, seeds: Sequence[bytes]) -> None:
    other = _parsed(random.choice(seeds))
    if other is not None:
        shoots = [each for each in other.iter() if isinstance(each.tag, str)]
        node.append(copy.deepcopy(random.choice(shoots)))


def _plant(node: etree._Element, nodes: list[etree._Element], random: Random, seeds: Sequence[bytes]) -> None:
    """Give an element what another document has in the same place; often that still makes sense."""
    other = _parsed(random.choice(seeds))
    fitting = [] if other is None else [each for each in other.iter(node.tag) if len(each) or each.attrib]
    if not fitting:
        return
    twin = copy.deepcopy(random.choice(fitting))
    if len(twin) and random.random() < 0.7:
        node.append(random.choice(twin))
    else:
        node.attrib.update(twin.attrib)


def _say(node: etree._Element, nodes: list[etree._Element], random: Random, seeds: Sequence[bytes]) -> None:
    """Give an attribute, its own or another element's, an odd value."""
    source = random.choice((node, node, random.choice(nodes)))
    if source.attrib:
        node.set(random.choice(list(source.attrib)), random.choice(VALUES))
    else:
        node.text = random.choice(VALUES)


def _exchange(node: etree._Element, nodes: list[etree._Element], random: Random, seeds: Sequence[bytes]) -> None:
    """Give an element the attributes of another."""
    other = random.choice(nodes)
    for name, value in other.attrib.items():
        node.set(name, value)


def _silence(node: etree._Element, nodes: list[etree._Element], random: Random, seeds: Sequence[bytes]) -> None:
    if node.attrib:
        del node.attrib[random.choice(list(node.attrib))]
    else:
        node.text = None


def _rename(node: etree._Element, nodes: list[etree._Element], random: Random, seeds: Sequence[bytes]) -> None:
    node.tag = random.choice(nodes).tag


def _write(node: etree._Element, nodes: list[etree._Element], random: Random, seeds: Sequence[bytes]) -> None:
    node.text = random.choice(VALUES)


TREE = (
    _drop, _drop, _double, _move, _nest, _graft, _plant, _plant, _plant, _plant, _say, _say, _exchange, _silence,
    _rename, _write,
)  # fmt: skip

LEVELS: tuple[Mutation, ...] = (broken_bytes, broken_tokens, *(broken_tree,) * 6)
"""The tree comes most often: what is not well formed is refused before the model sees it."""
