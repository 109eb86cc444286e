"""What a definition says that does not come back: what would be lost if it were taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from virtbus.domain import Device, Domain
from virtbus.domain.lookup import described
from virtbus.xml import Element

_PRIVATE = frozenset({"actual", "private", "secrets_placement"})


def first_loss(wanted: Domain, kept: Domain) -> str | None:
    """The path of the first thing that `wanted` says and `kept` does not; None where all of it is kept."""
    for name, value in vars(wanted).items():
        if name != "devices" and (path := _loss(value, getattr(kept, name), f"/domain/{name}")):
            return path
    for name, value in vars(wanted.devices).items():
        path = _listed(value, getattr(kept.devices, name), f"/domain/devices/{name}") if isinstance(value, list) \
            else _loss(value, getattr(kept.devices, name), f"/domain/devices/{name}")  # fmt: skip
        if path:
            return path
    return None


def _listed(wanted: Sequence[Any], kept: Sequence[Any], path: str) -> str | None:
    """Devices are kept in another order, so each must be found once."""
    left = list(kept)
    for each in wanted:
        if not isinstance(each, Element):
            return None if each in left else path
        found = next((other for other in left if type(other) is type(each) and _loss(each, other, path) is None), None)
        if found is None:
            return _nearest(each, left, path)
        left.remove(found)
    return None


def _nearest(wanted: Element, kept: list[Any], path: str) -> str:
    name = described(wanted) if isinstance(wanted, Device) else type(wanted).__name__
    best = min(
        (loss for other in kept if type(other) is type(wanted) and (loss := _loss(wanted, other, path))),
        key=lambda loss: -loss.count("/"), default=path,
    )  # fmt: skip
    return f"{best} of {name}"


def _loss(wanted: Any, kept: Any, path: str) -> str | None:
    if wanted is None or wanted is False or wanted == [] or wanted == kept:
        return None
    if isinstance(wanted, Element):
        if type(wanted) is not type(kept):
            return None if wanted.is_blank() else path
        for name, value in vars(wanted).items():
            if name not in _PRIVATE and (lost := _loss(value, getattr(kept, name), f"{path}/{name}")):
                return lost
        return None
    if isinstance(wanted, list) and isinstance(kept, list):
        return _listed(wanted, kept, path)
    if isinstance(wanted, str) and isinstance(kept, str) and wanted.lower() == kept.lower() and ":" in wanted:
        return None
    return path
