"""What of an object is written: its running form, its definition, or what migrates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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


class Mode:
    """How one document is being written.

    :param secure: whether secrets such as passwords are written.
    """

    __slots__ = ("form", "prefixes", "secure")

    def __init__(self, form: Form = Form.LIVE, secure: bool = False) -> None:
        self.form = form
        self.secure = secure
        self.prefixes: set[str] = set()
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
