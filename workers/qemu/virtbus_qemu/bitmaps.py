"""What QEMU's block nodes say of themselves: their dirty bitmaps and internal snapshots (query-named-block-nodes)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bitmap:
    """A dirty bitmap: which blocks have been written since it was made."""

    name: str
    recording: bool
    busy: bool
    persistent: bool
    inconsistent: bool
    """Whether it was not stored properly, and can only be deleted."""
    granularity: int
    """Bytes for each bit."""
    dirty: int
    """Bytes that are marked."""


@dataclass(frozen=True)
class InternalSnapshot:
    """A snapshot within an image."""

    name: str
    has_memory: bool
    """Whether the guest's memory is in it too."""


@dataclass(frozen=True)
class NodeState:
    """One block node."""

    name: str
    capacity: int
    """Bytes that the guest sees."""
    physical: int
    """Bytes that it takes."""
    bitmaps: tuple[Bitmap, ...] = ()
    snapshots: tuple[InternalSnapshot, ...] = ()
    is_old_qcow2: bool = False
    """Whether it is a qcow2 image of version 2, which keeps no bitmaps."""


def node_states(reply: Iterable[Mapping[str, Any]]) -> dict[str, NodeState]:
    """The nodes of a reply by their names."""
    return {entry["node-name"]: _state(entry) for entry in reply if entry.get("node-name") and "image" in entry}


def _state(entry: Mapping[str, Any]) -> NodeState:
    image = entry["image"]
    inner = image.get("format-specific", {}).get("data", {})
    return NodeState(
        name=entry["node-name"],
        capacity=image.get("virtual-size", 0),
        physical=image.get("actual-size", 0),
        bitmaps=tuple(_bitmap(each) for each in entry.get("dirty-bitmaps", ()) if "name" in each),
        snapshots=tuple(
            InternalSnapshot(each["name"], has_memory=each.get("vm-state-size", 0) > 0)
            for each in image.get("snapshots", ())
        ),
        is_old_qcow2=image.get("format") == "qcow2" and inner.get("compat") == "0.10",
    )


def _bitmap(said: Mapping[str, Any]) -> Bitmap:
    return Bitmap(
        name=said["name"],
        recording=bool(said.get("recording")),
        busy=bool(said.get("busy")),
        persistent=bool(said.get("persistent")),
        inconsistent=bool(said.get("inconsistent")),
        granularity=said.get("granularity", 0),
        dirty=said.get("count", 0),
    )
