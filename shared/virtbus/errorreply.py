"""An error as it travels between processes; a module of its own, so that raising one needs no pydantic."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class ErrorReply(BaseModel):
    """An error as it travels: in a job's record, a bus reply or an HTTP problem document."""

    model_config = ConfigDict(extra="ignore")

    kind: str
    """The class's name in the tree above."""
    code: int
    """libvirt's virErrorNumber."""
    code_name: str
    """Its name, such as VIR_ERR_NO_DOMAIN."""
    domain_code: int = 0
    """libvirt's virErrorDomain: which part says so."""
    message: str
    host: str | None = None
    domain: str | None = None
    """The domain's UUID or name, as far as it is known."""
    hint: str | None = None
    """What the reader can do."""
    status: int = 500
    """The HTTP status of this kind of error."""
    evidence: dict[str, Any] = {}
    """What else is known: what was sent, what the hypervisor answered, an XML path, candidates."""
