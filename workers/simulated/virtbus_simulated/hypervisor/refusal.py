"""What the hypervisor says no to."""

from __future__ import annotations

from enum import StrEnum


class Why(StrEnum):
    """The kinds of refusal, as they stand in an answer."""

    BAD_REQUEST = "bad-request"
    NO_DOMAIN = "no-domain"
    """No such domain is active."""
    EXISTS = "exists"
    """The domain is active or starting, or the name or alias is in use."""
    WRONG_STATE = "wrong-state"
    NO_DEVICE = "no-device"
    PENDING = "pending"
    """The guest was asked to let go of this device already."""
    START_FAILED = "start-failed"
    GONE = "gone"
    """The domain ended before it could answer."""
    NOT_OPEN = "not-open"
    """The connection has not opened the host, or another one has taken it over."""


class Refused(Exception):
    """A request that is not carried out; nothing has changed."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why
        self.message = message
