"""Operations on a domain's life and its definition."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from virtbus.names import HostName
from virtbus.operations.declaration import DomainOperation, Empty, HostOperation, Kind, Operation
from virtbus.operations.fields import Document
from virtbus.records import PendingRemoval
from virtbus.state import DomainState


class DomainSummary(BaseModel):
    """A domain as lists and `dominfo` show it."""

    host: str
    uuid: UUID
    name: str
    family: str
    id: int | None
    state: DomainState
    reason: str
    persistent: bool
    autostart: bool
    project: str
    labels: dict[str, str]
    vcpus: int
    memory: int
    """KiB."""
    generation: int
    pending: list[PendingRemoval] = []
    changed: datetime


class DomainList(BaseModel):
    """A page of domains, in the order of (host, uuid)."""

    domains: list[DomainSummary]
    cursor: str | None = None
    """What the next page is asked for with; None on the last."""
    revision: int
    """The revision of the record that this page shows at least."""


class DomainXml(BaseModel):
    """A domain's document."""

    content: str


class DomainStatus(BaseModel):
    """What a change of a domain's life left: its state and reason, and its number while it is active."""

    uuid: UUID
    name: str
    state: DomainState
    reason: str
    id: int | None = None


class ListDomains(Operation[DomainList]):
    """List domains of the fleet, filtered by host, state, name, label and project, a page at a time."""

    name = "domain.list"
    kind = Kind.RECORD
    permission = "domain:read"
    http = "GET /v1/domains"
    wire = "connect_list_all_domains"

    host: HostName | None = None
    state: DomainState | None = None
    domain_name: Annotated[str | None, Field(alias="name")] = None
    label: list[str] = []
    """`key=value`, or `key` for any value; all of them must hold."""
    project: str | None = None
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 500
    min_revision: int = 0
    """Wait up to 1 s until the list shows at least this revision (a job's record says which it left)."""


class GetDomain(DomainOperation[DomainSummary]):
    """Show a domain."""

    name = "domain.get"
    kind = Kind.RECORD
    permission = "domain:read"
    http = "GET /v1/hosts/{host}/domains/{domain}"
    wire = "domain_get_info"
    verb = "dominfo"


class GetDomainXml(DomainOperation[DomainXml]):
    """Show a domain's XML: as it is while it is active, or as it was defined."""

    name = "domain.xml"
    kind = Kind.RECORD
    permission = "domain:read"
    http = "GET /v1/hosts/{host}/domains/{domain}/xml"
    media = "application/xml"
    wire = "domain_get_xml_desc"
    verb = "dumpxml"

    live: bool | None = None
    """True: only the live definition; False: only the persistent one; unset: the live one of an active domain."""


class DefineDomain(HostOperation[DomainStatus]):
    """Define a domain from its XML, or redefine the one with that UUID."""

    name = "domain.define"
    kind = Kind.JOB
    permission = "domain:define"
    http = "POST /v1/hosts/{host}/domains"
    body = "xml"
    wire = "domain_define_xml_flags"
    verb = "define"

    domain: UUID | None = None
    """Taken from the document, or made where it has none."""
    xml: Document


class CreateDomain(HostOperation[DomainStatus]):
    """Start a transient domain from its XML: it is gone when it stops."""

    name = "domain.create"
    kind = Kind.JOB
    facet = "Lifecycle"
    permission = "domain:start"
    http = "POST /v1/hosts/{host}/domains:create"
    body = "xml"
    wire = "domain_create_xml"
    verb = "create"
    timeout = 120.0

    domain: UUID | None = None
    xml: Document
    paused: bool = False


class UndefineDomain(DomainOperation[Empty]):
    """Undefine a domain; one that is active becomes transient."""

    name = "domain.undefine"
    kind = Kind.JOB
    permission = "domain:define"
    http = "DELETE /v1/hosts/{host}/domains/{domain}"
    wire = "domain_undefine_flags"
    verb = "undefine"

    nvram: bool = False
    """Remove the domain's NVRAM file too; without it, one that has such a file is refused."""
    keep_nvram: bool = False


class StartDomain(DomainOperation[DomainStatus]):
    """Start a defined domain."""

    name = "domain.start"
    kind = Kind.JOB
    facet = "Lifecycle"
    permission = "domain:start"
    http = "POST /v1/hosts/{host}/domains/{domain}/start"
    wire = "domain_create_with_flags"
    verb = "start"
    timeout = 120.0

    paused: bool = False


class ShutdownDomain(DomainOperation[DomainStatus]):
    """Ask the guest to shut down; ends when the domain is off, or expires with the domain still running."""

    name = "domain.shutdown"
    kind = Kind.JOB
    facet = "Lifecycle"
    permission = "domain:start"
    http = "POST /v1/hosts/{host}/domains/{domain}/shutdown"
    wire = "domain_shutdown_flags"
    verb = "shutdown"
    timeout = 90.0


class RebootDomain(DomainOperation[DomainStatus]):
    """Ask the guest to reboot; ends when it has been reset."""

    name = "domain.reboot"
    kind = Kind.JOB
    facet = "Lifecycle"
    permission = "domain:start"
    http = "POST /v1/hosts/{host}/domains/{domain}/reboot"
    wire = "domain_reboot"
    verb = "reboot"
    timeout = 90.0


class ResetDomain(DomainOperation[DomainStatus]):
    """Reset a domain as its reset button would; overtakes what runs on it."""

    name = "domain.reset"
    kind = Kind.JOB
    facet = "Lifecycle"
    permission = "domain:start"
    http = "POST /v1/hosts/{host}/domains/{domain}/reset"
    wire = "domain_reset"
    verb = "reset"
    overtakes = True


class DestroyDomain(DomainOperation[DomainStatus]):
    """Stop a domain at once, whatever its guest or hypervisor process does; overtakes what runs on it."""

    name = "domain.destroy"
    kind = Kind.JOB
    facet = "Lifecycle"
    permission = "domain:start"
    http = "POST /v1/hosts/{host}/domains/{domain}/destroy"
    wire = "domain_destroy_flags"
    verb = "destroy"
    overtakes = True


class SuspendDomain(DomainOperation[DomainStatus]):
    """Stop a domain's virtual CPUs."""

    name = "domain.suspend"
    kind = Kind.JOB
    facet = "Lifecycle"
    permission = "domain:start"
    http = "POST /v1/hosts/{host}/domains/{domain}/suspend"
    wire = "domain_suspend"
    verb = "suspend"


class ResumeDomain(DomainOperation[DomainStatus]):
    """Let a suspended domain run on."""

    name = "domain.resume"
    kind = Kind.JOB
    facet = "Lifecycle"
    permission = "domain:start"
    http = "POST /v1/hosts/{host}/domains/{domain}/resume"
    wire = "domain_resume"
    verb = "resume"


class SetAutostart(DomainOperation[Empty]):
    """Have a domain started when its host boots, or not any more."""

    name = "domain.autostart"
    kind = Kind.JOB
    permission = "domain:define"
    http = "POST /v1/hosts/{host}/domains/{domain}/autostart"
    wire = "domain_set_autostart"
    verb = "autostart"

    enabled: bool = True


class SetLabels(DomainOperation[Empty]):
    """Replace a domain's labels, which live in its XML's metadata."""

    name = "domain.labels"
    kind = Kind.JOB
    permission = "domain:define"
    http = "PUT /v1/hosts/{host}/domains/{domain}/labels"

    labels: dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$")],
        Annotated[str, StringConstraints(max_length=256)],
    ]
