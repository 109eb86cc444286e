"""Images as QEMU's block layer gets them: nodes, names in headers, creation, and what nodes say of themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conformance import fixedworld
from virtbus.domain import Disk, Domain, DomainType
from virtbus.domain.devicedefaults import complete_device
from virtbus.domain.private import ObjectSecret, SourceObjects, SourcePrivate
from virtbus.domain.storage import ImageFormat, StorageSource, StorageType
from virtbus.xml import drivers_notes
from virtbus_qemu.bitmaps import NodeState, node_states
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.command import context_of
from virtbus_qemu.command.block import creation, image_of, reference
from virtbus_qemu.command.block.image import Image, chain
from virtbus_qemu.command.block.naming import nodes_of
from virtbus_qemu.command.block.nodes import format_properties, storage_properties
from virtbus_qemu.command.parts import Context
from virtbus_qemu.probing.digest import Digest, Head

_PREFIX = "qemublock-"
FAMILIES = frozenset(_PREFIX + kind for kind in ("inline", "xml2json", "json2json", "imagecreate", "bitmap"))

PHYSICAL, CAPACITY = 1 << 32, (1 << 33) - 2
"""The sizes of new images, in bytes."""


def run(case: dict[str, Any], root: Path) -> dict[str, str]:
    """The answer of a case by its family."""
    return {
        "inline": _inline,
        "xml2json": _nodes,
        "json2json": _renamed,
        "imagecreate": _created,
        "bitmap": _bitmaps,
    }[case["family"].removeprefix(_PREFIX)](case, root)


def _inline(case: dict[str, Any], root: Path) -> dict[str, str]:
    """A source, named as JSON and read again."""
    kind = StorageType(case["options"]["type"].removeprefix("VIR_STORAGE_TYPE_").lower())
    source = StorageSource.parse(case["options"]["xml"])
    text = json.dumps({"file": reference.target(Image(kind, ImageFormat.RAW, source, 0))})
    _, again = reference.read(reference.JSON + text)
    return {"answer": again.format(secure=True)}


def _nodes(case: dict[str, Any], root: Path) -> dict[str, str]:
    """The nodes of a chain, the top one first, and how headers would name its images."""
    disk = _disk(root / case["input"][0])
    context = _context()
    image = image_of(disk, context.settings)
    full, named = [], []
    for each in chain(image):
        nodes = nodes_of(each, context)
        full += [format_properties(each, nodes, context), storage_properties(each, nodes, context)]
        named.append(_naming(each))
    texts = {False: "".join(_pretty(each) + "\n" for each in full), True: "".join(named)}
    return {name: texts["-srconly" in name] for name in case["expected"]}


def _naming(image: Image) -> str:
    lines = ["source only properties:", *_pretty(reference.target(image)).splitlines()]
    lines += ["backing store string:", *reference.string(image, pretty=True).splitlines()]
    return "(\n" + "".join(f"  {line}\n" for line in lines) + ")\n"


def _renamed(case: dict[str, Any], root: Path) -> dict[str, str]:
    """A name as JSON, read and made anew."""
    kind, source = reference.read((root / case["input"][0]).read_text().strip())
    text = _pretty(reference.target(Image(kind, ImageFormat.RAW, source, 0)))
    return dict.fromkeys(case["expected"], text)


def _created(case: dict[str, Any], root: Path) -> dict[str, str]:
    """What makes a new image, based on another one where a second document is given."""
    context = _context()
    image, *below = [image_of(_disk(root / name), context.settings) for name in case["input"]]
    if image is None:
        raise ValueError("an empty drive cannot be made")
    nodes = nodes_of(image, context)
    made = {
        "protocol": creation.storage(image, PHYSICAL),
        "format": creation.layout(image, nodes, CAPACITY, below[0] if below else None),
    }
    parts = [f"{name}:\n" + ("<null>" if each is None else _pretty(each) + "\n") for name, each in made.items()]
    return dict.fromkeys(case["expected"], "\n".join(parts))


def _bitmaps(case: dict[str, Any], root: Path) -> dict[str, str]:
    """The bitmaps of the nodes with formats, by their numbers."""
    states = node_states(json.loads((root / case["input"][0]).read_text()))
    names = [f"libvirt-{number}-format" for number in range(1, 6)]
    return dict.fromkeys(case["expected"], "".join(_state(states[name]) for name in names if name in states))


def _state(state: NodeState) -> str:
    lines = [f"{state.name}:"]
    if state.is_old_qcow2:
        lines.append(" qcow2 v2")
    if state.snapshots:
        said = "".join(f" '{each.name}'{'(*)' if each.has_memory else ''}" for each in state.snapshots)
        lines.append(f" internal snapshots:{said}")
    lines += [
        f" {each.name:>8}: record:{each.recording:d} busy:{each.busy:d} persist:{each.persistent:d} "
        f"inconsist:{each.inconsistent:d} gran:{each.granularity} dirty:{each.dirty}"
        for each in state.bitmaps
    ]
    return "\n".join(lines) + "\n"


def _disk(path: Path) -> Disk:
    """A disk with its notes, in a domain that has nothing else; its secrets have the names of these cases."""
    text = path.read_text()
    if "<target" not in text:
        text = text.replace("</disk>", "<target dev='vda'/></disk>")
    with drivers_notes():
        disk = Disk.parse(text.encode())
    complete_device(Domain(type=DomainType.KVM, name="any"), disk)
    for source in _sources(disk):
        _name_secrets(source)
    return disk


def _sources(disk: Disk) -> list[StorageSource]:
    found = [disk.source] if disk.source is not None else []
    store = disk.backing_store
    while store is not None and store.source is not None:
        found.append(store.source)
        store = store.backing_store
    return found


def _name_secrets(source: StorageSource) -> None:
    private = source.private = source.private or SourcePrivate()
    names = {each.type: each.name for each in private.node_names.nodes} if private.node_names else {}
    private.objects = private.objects or SourceObjects()
    private.objects.secrets += [
        ObjectSecret(type="encryption", alias=f"{names.get('format')}-encalias"),
        ObjectSecret(type="auth", alias=f"{names.get('storage')}-secalias"),
    ]


def _context() -> Context:
    """Of a QEMU of which nothing is known: the nodes that a case names are all that there are."""
    head = Head(emulator="/usr/bin/qemu-system-x86_64", flags=[], version=0, package="", arch="x86_64")
    capabilities = Capabilities(Digest(head), (), "none")
    domain = Domain(type=DomainType.KVM, name="any")
    settings = fixedworld.settings({"arch": "x86_64"})
    return context_of(domain, Path(fixedworld.LIBRARY), capabilities, settings)


def _pretty(document: Any) -> str:
    return json.dumps(document, indent=2)
