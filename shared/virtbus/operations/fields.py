"""Types of arguments that several operations share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

MAX_DOCUMENT = 512 * 1024
"""Bytes: the largest XML document that the bus carries."""

Document = Annotated[str, StringConstraints(min_length=1)]
"""libvirt's XML. Its size is checked where it enters, as a typed error: TooLarge."""

Kibibytes = Annotated[int, Field(ge=1, le=2**50)]


class Affect(StrEnum):
    """Which definition a change is for (virDomainModificationImpact).

    `current` is live for an active domain and config for one that is not; `both` commits the persistent definition
    first.
    """

    CURRENT = "current"
    LIVE = "live"
    CONFIG = "config"
    BOTH = "both"
