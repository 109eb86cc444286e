"""What of an object is written: its running form, its definition, or what migrates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum


class Form(StrEnum):
    """Which of libvirt's forms of a document is meant."""

    LIVE = "live"
    """The running object, with what was assigned while it runs (id, generated aliases, host-side names)."""
    INACTIVE = "inactive"
    """The definition: nothing that only a running object has."""
    MIGRATABLE = "migratable"
    """The definition without what another host could not read."""
    STATUS = "status"
    """The running object with what its hypervisor's driver notes besides, such as names of block nodes."""


@dataclass(slots=True)
class Mode:
    """How one document is being written."""

    form: Form = Form.LIVE
    secure: bool = False
    """Whether secrets such as passwords are written."""
    prefixes: set[str] = field(default_factory=set)
    """Namespace prefixes met so far; the root declares them."""

    @property
    def live(self) -> bool:
        """Whether what only a running object has is written."""
        return self.form in (Form.LIVE, Form.STATUS)


_NOTES: ContextVar[bool] = ContextVar("notes", default=False)


@contextmanager
def drivers_notes() -> Iterator[None]:
    """While this lasts, documents read may have what only a hypervisor's driver writes; else it is refused."""
    token = _NOTES.set(True)
    try:
        yield
    finally:
        _NOTES.reset(token)


def notes_are_read() -> bool:
    """Whether `drivers_notes` lasts."""
    return _NOTES.get()
