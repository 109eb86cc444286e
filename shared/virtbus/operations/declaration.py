"""What an operation is: its arguments, result, permission, kind and facet, and the faces it shows.

    class DetachDevice(DomainOperation[Detachment]):
        "Detach a device by its alias; ends when the guest has let go of it."
        name = "device.detach"
        kind = Kind.JOB
        ...
        alias: Alias
        affect: Affect = Affect.CURRENT

The model's own fields are the arguments. `host` and `domain` say where; they travel beside the arguments.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from virtbus.names import HostName


class Kind(StrEnum):
    """How an operation is carried out."""

    JOB = "job"
    """A change: a durable job on the bus."""
    QUERY = "query"
    """A read that the host's worker answers."""
    RECORD = "record"
    """A read that the gateway answers from the record."""
    GATEWAY = "gateway"
    """A change that the gateway makes by itself, to a job's record for instance."""


class Empty(BaseModel):
    """The result of an operation that has nothing to say but that it is done."""


ResultT = TypeVar("ResultT", bound=BaseModel)

OPERATIONS: dict[str, type[Operation[Any]]] = {}
"""Every declared operation by its name."""


class Operation(BaseModel, Generic[ResultT]):
    """One thing that can be asked; subclasses declare it, instances carry its arguments."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClassVar[str]
    """`object.verb`, as it stands in subjects and job records."""
    version: ClassVar[int] = 1
    kind: ClassVar[Kind]
    facet: ClassVar[str | None] = None
    """The facet (a class's name in virtbus.driver) that a family must provide; None: the runtime does it alone."""
    permission: ClassVar[str]
    """`object:verb`; what a role grants."""
    http: ClassVar[str]
    """Method and path; {names} in the path are fields."""
    body: ClassVar[str | None] = None
    """The field that an application/xml request body fills; other fields then come from the query string."""
    media: ClassVar[str | None] = None
    """The media type of the answer where it is not JSON: the result's `content` holds it."""
    wire: ClassVar[str | None] = None
    """libvirt's remote procedure."""
    verb: ClassVar[str | None] = None
    """virsh's verb, where the CLI can make the command from this declaration."""
    overtakes: ClassVar[bool] = False
    """Whether it goes past jobs of the same domain that run or wait."""
    timeout: ClassVar[float] = 60.0
    """Seconds: the time limit where the caller names none."""
    result: ClassVar[type[BaseModel]] = Empty

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        generic = cls.__pydantic_generic_metadata__
        if generic["origin"] is not None:
            return
        for base in cls.__mro__[1:]:
            arguments = getattr(base, "__pydantic_generic_metadata__", {}).get("args") or get_args(base)
            if arguments and isinstance(arguments[0], type):
                cls.result = arguments[0]
                break
        if "name" in vars(cls):
            OPERATIONS[cls.name] = cls

    @classmethod
    def summary(cls) -> str:
        """The first sentence of its documentation."""
        return (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")

    def where(self) -> tuple[str | None, UUID | None]:
        """The host and the domain it is for."""
        return getattr(self, "host", None), getattr(self, "domain", None)

    def payload(self) -> dict[str, Any]:
        """The arguments as they travel: without host and domain, which stand beside them."""
        return self.model_dump(mode="json", exclude={"host", "domain"})

    @classmethod
    def build(cls, host: str | None, domain: UUID | None, arguments: dict[str, Any]) -> Operation[Any]:
        """The operation from what travelled.

        :raises pydantic.ValidationError: an argument is unknown, missing or wrong.
        """
        place: dict[str, Any] = {}
        if "host" in cls.model_fields:
            place["host"] = host
        if "domain" in cls.model_fields and domain is not None:
            place["domain"] = domain
        return cls.model_validate(place | arguments)


class HostOperation(Operation[ResultT], Generic[ResultT]):
    """An operation on a host."""

    host: HostName


class DomainOperation(HostOperation[ResultT], Generic[ResultT]):
    """An operation on a domain of a host."""

    domain: UUID
