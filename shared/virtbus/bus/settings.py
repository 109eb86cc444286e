"""How a service reaches the bus, and what it demands of the bus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SESSION_TTL = 10.0
"""Seconds that a session lives without being renewed."""
SESSION_RENEWAL = 3.0
"""Seconds between renewals."""
MAX_PAYLOAD = 8 * 1024 * 1024
"""Bytes that the server must let a message have."""


class BusSettings(BaseModel):
    """Where the bus is, who we are there, and how durable it must be."""

    model_config = ConfigDict(extra="forbid")

    servers: list[str] = ["nats://127.0.0.1:4222"]
    monitor: str | None = None
    """URL of a server's monitoring port, where its own settings can be checked; None leaves them unchecked."""
    prefix: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")] = "virtbus"
    """First token of every subject, and beginning of every stream's and bucket's name."""
    nkey_seed: Path | None = None
    """File with the NKEY seed of this service's user; mode 0600."""
    tls_ca: Path | None = None
    """Authorities to trust instead of the system's."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    replicas: Annotated[int, Field(ge=1, le=5)] = 1
    """Replicas of streams and buckets that this service creates."""
    events_max_age: float = 14 * 86400.0
    """Seconds that events are kept."""
    events_max_bytes: int = 1024**3
    """Reserved by the server; the audit log has a quarter of it besides."""
    jobs_max_age: float = 7 * 86400.0
    """Seconds that the records of jobs are kept."""
    patience: float = 15.0
    """Seconds that a write is retried while the bus is out of reach."""
