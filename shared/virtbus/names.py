"""The names that identify things, and what may be in them.

They become tokens of bus subjects and keys of buckets, so a name that is not valid never gets further than here.
"""

from __future__ import annotations

from typing import Annotated
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from pydantic import StringConstraints

HostName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,63}$")]
"""A host of the fleet: immutable, lower case; its FQDN is data in the host's record."""

Alias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$")]
"""A device of a domain, as in libvirt's <alias name=.../>."""

Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""One token of a bus subject."""

JobId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]

NO_DOMAIN_TOKEN = "_"
"""Stands where a subject has a domain's UUID, for what concerns the whole host."""

_JOBS = uuid5(NAMESPACE_URL, "urn:virtbus:job")


def new_job_id(principal: str, idempotency_key: str | None) -> str:
    """A job's id; the same principal and Idempotency-Key always give the same one."""
    if idempotency_key is None:
        return str(uuid4())
    return str(uuid5(_JOBS, f"{len(principal)}:{principal}{idempotency_key}"))


def domain_token(domain: UUID | str | None) -> str:
    """The subject token of a domain."""
    return NO_DOMAIN_TOKEN if domain is None else str(domain)
