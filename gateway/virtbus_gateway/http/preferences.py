"""What a request says about how its job is to be carried out: Prefer, Idempotency-Key, timeout."""

from __future__ import annotations

import math
from dataclasses import dataclass

from starlette.requests import Request

from virtbus.errors import InvalidArgument

MAX_WAIT = 300.0
"""Seconds that `Prefer: wait` may ask for; more is taken as this."""
MAX_TIMEOUT = 86400.0
"""Seconds: the longest time limit of a job."""
MAX_KEY = 255
"""Characters of an Idempotency-Key."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What was preferred."""

    wait: float = 0.0
    """Seconds to wait for a job's end."""
    timeout: float | None = None
    """Seconds: the job's time limit."""
    key: str | None = None
    applied: str | None = None
    """What Preference-Applied says."""


def preferences_of(request: Request) -> Preferences:
    """Read them (RFC 7240 for Prefer).

    :raises InvalidArgument: a time limit or a key cannot be meant so.
    """
    preferred: dict[str, str] = {}
    for header in request.headers.getlist("prefer"):
        for word in header.split(","):
            name, _, value = word.partition(";")[0].partition("=")
            preferred.setdefault(name.strip().lower(), value.strip().strip('"'))
    wait = _seconds(preferred.get("wait", "0"))
    if wait is None or wait < 0:
        raise InvalidArgument("`Prefer: wait` takes seconds, such as `wait=30`")
    limit = request.query_params.get("timeout", preferred.get("timeout"))
    applied = [f"wait={min(wait, MAX_WAIT):g}"] if wait else []
    if "timeout" in preferred and "timeout" not in request.query_params:
        applied.append(f"timeout={preferred['timeout']}")
    return Preferences(
        wait=min(wait, MAX_WAIT), timeout=_limit(limit), key=_key(request), applied=", ".join(applied) or None
    )


def _limit(text: str | None) -> float | None:
    if text is None:
        return None
    limit = _seconds(text)
    if limit is None or not 1 <= limit <= MAX_TIMEOUT:
        raise InvalidArgument(f"timeout: seconds from 1 to {MAX_TIMEOUT:.0f} are expected, not {text[:40]!r}")
    return limit


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    key = key.strip().strip('"')
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        raise InvalidArgument(f"Idempotency-Key: 1 to {MAX_KEY} printable characters are expected")
    return key
