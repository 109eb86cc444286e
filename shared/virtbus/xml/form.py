"""What of an object is written: its running form, its definition, or what migrates."""

from __future__ import annotations

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
        return self.form is Form.LIVE
