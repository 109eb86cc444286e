"""What block nodes say of themselves."""

from __future__ import annotations

from typing import Any

from virtbus_qemu.bitmaps import Bitmap, InternalSnapshot, node_states


def node(name: str, **image: Any) -> dict[str, Any]:
    return {"node-name": name, "image": {"virtual-size": 8, "actual-size": 4, "format": "qcow2", **image}}


def test_a_node_has_its_bitmaps_and_snapshots() -> None:
    said = node("n", snapshots=[{"name": "s", "vm-state-size": 1}, {"name": "t", "vm-state-size": 0}])
    bitmap = {"name": "b", "recording": True, "busy": False, "persistent": True, "granularity": 65536, "count": 7}
    said["dirty-bitmaps"] = [bitmap, {"recording": True}]
    state = node_states([said])["n"]
    assert state.bitmaps == (
        Bitmap("b", recording=True, busy=False, persistent=True, inconsistent=False, granularity=65536, dirty=7),
    )
    assert state.snapshots == (InternalSnapshot("s", has_memory=True), InternalSnapshot("t", has_memory=False))
    assert (state.capacity, state.physical) == (8, 4)


def test_old_qcow2_images_are_told_apart() -> None:
    compat = [node("old", **{"format-specific": {"data": {"compat": "0.10"}}}), node("new")]
    states = node_states([*compat, {"node-name": "without"}])
    assert {name: state.is_old_qcow2 for name, state in states.items()} == {"old": True, "new": False}
