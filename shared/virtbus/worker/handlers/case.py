"""What a handler has before it: one job, its operation, its domain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel

from virtbus.driver import Driver, Facet
from virtbus.errors import AlreadyExists, NoDomain, NotSupported, WrongState
from virtbus.operations.declaration import Operation
from virtbus.operations.domain import DomainStatus
from virtbus.worker.desk import Desk
from virtbus.worker.lane import Lane
from virtbus.worker.removal import Waiters
from virtbus.worker.work import JobWork

F = TypeVar("F", bound=Facet)


class Names(Protocol):
    """The host's domains by name: a name belongs to one domain."""

    def claim(self, name: str, domain: UUID) -> UUID | None:
        """Take a name for a domain; returns whose it is if it is another's."""

    def release(self, domain: UUID) -> None:
        """Give up what was claimed but not recorded."""


@dataclass(frozen=True)
class Case:
    """One job in the hands of its handler."""

    operation: Operation[Any]
    desk: Desk
    work: JobWork
    driver: Driver
    lane: Lane
    waiters: Waiters
    names: Names

    @property
    def repeated(self) -> bool:
        """Whether an earlier attempt at this job has changed what was asked already."""
        return self.desk.record.last_job == self.work.job

    def facet(self, kind: type[F]) -> F:
        """The driver as this facet.

        :raises NotSupported: the family lacks it.
        """
        if not isinstance(self.driver, kind):
            raise NotSupported(
                f"the {self.driver.family} driver does not support {self.operation.name}",
                host=self.desk.record.host,
                domain=self.desk.record.uuid,
                hint="`virtbus hostinfo` shows what a host's driver supports",
            )
        return self.driver

    def require_domain(self) -> None:
        """:raises NoDomain: there is no such domain."""
        if not self.desk.exists:
            raise NoDomain(
                f"no domain with matching uuid '{self.desk.record.uuid}'",
                host=self.desk.record.host,
                domain=self.desk.record.uuid,
                hint="`virtbus list --all` shows the domains there are",
            )

    def require_active(self) -> None:
        """:raises NoDomain, WrongState: the domain is not active."""
        self.require_domain()
        if not self.desk.record.state.active:
            raise self.wrong_state("the domain is not running", "start it first")

    def wrong_state(self, message: str, hint: str) -> WrongState:
        """The error of a domain that is in another state."""
        record = self.desk.record
        return WrongState(
            message, host=record.host, domain=record.uuid, hint=hint,
            evidence={"state": record.state, "reason": record.reason, "name": record.name},
        )  # fmt: skip

    def claim_name(self, name: str) -> None:
        """:raises AlreadyExists: another domain of the host has the name."""
        other = self.names.claim(name, self.desk.record.uuid)
        if other is not None:
            raise AlreadyExists(
                f"domain '{name}' already exists with uuid {other}",
                host=self.desk.record.host,
                domain=self.desk.record.uuid,
                hint="give it another name, or redefine the one that exists by its uuid",
                evidence={"uuid": str(other)},
            )

    def status(self) -> DomainStatus:
        """The domain as it stands now."""
        record = self.desk.record
        return DomainStatus(
            uuid=record.uuid, name=record.name, state=record.state, reason=record.reason, id=record.id
        )


Handler = Callable[[Case], Awaitable[BaseModel]]
