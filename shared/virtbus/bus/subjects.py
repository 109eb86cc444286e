"""The subjects, streams and buckets of protocol v1, all named from one prefix."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from virtbus.names import domain_token


@dataclass(frozen=True)
class Subjects:
    """Builds every subject and name; `prefix` is a setting."""

    prefix: str = "virtbus"

    @property
    def root(self) -> str:
        return f"{self.prefix}.v1"

    def stream(self, name: str) -> str:
        """A stream's name, such as VIRTBUS_JOBS."""
        return f"{self.prefix.upper()}_{name.upper()}"

    def bucket(self, name: str) -> str:
        """The stream behind a bucket, such as KV_virtbus_hosts."""
        return f"KV_{self.prefix}_{name}"

    def key(self, bucket: str, key: str) -> str:
        """The subject of a bucket's key."""
        return f"$KV.{self.prefix}_{bucket}.{key}"

    def query(self, host: str, operation: str) -> str:
        return f"{self.root}.query.{host}.{operation}"

    def job(self, host: str, domain: UUID | None) -> str:
        return f"{self.root}.job.{host}.{domain_token(domain)}"

    def jobs_of(self, host: str) -> str:
        """Every job of a host."""
        return f"{self.root}.job.{host}.*"

    def event(self, host: str, domain: UUID | None, kind: str) -> str:
        return f"{self.root}.event.{host}.{domain_token(domain)}.{kind}"

    def events(self, host: str | None = None, domain: UUID | None = None, kind: str | None = None) -> str:
        """The filter for events; None stands for any."""
        return f"{self.root}.event.{host or '*'}.{domain or '*'}.{kind or '*'}"

    def session(self, session: str) -> str:
        """A session's id is two tokens: the worker's name, and one that is new for every process."""
        return f"{self.root}.session.{session}"

    @property
    def audit(self) -> str:
        return f"{self.root}.audit"

    def consumer(self, host: str) -> str:
        """The durable consumer through which a host's jobs come."""
        return f"worker_{host}"
