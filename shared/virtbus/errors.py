"""Every failure has one typed error with libvirt's code.

    VirtbusError                   code                    HTTP
    ├── InvalidArgument            INVALID_ARG             400
    │   ├── XmlError               XML_ERROR               400   not well formed, hostile, or not libvirt's vocabulary
    │   │   ├── XmlDetail          XML_DETAIL              400   well formed, but contradictory
    │   │   ├── XmlInternal        INTERNAL_ERROR          400   likewise, where libvirt calls it an internal error
    │   │   └── XmlValue           INVALID_ARG             400   likewise, where libvirt calls it an invalid argument
    │   ├── ConfigUnsupported      CONFIG_UNSUPPORTED      422   libvirt knows it, this host's hypervisor does not
    │   │   ├── CpuIncompatible    CPU_INCOMPATIBLE        422   likewise, for want of a fitting processor
    │   │   └── NoFirmware         OPERATION_FAILED        422   likewise, for want of a fitting image
    │   └── TooLarge               INVALID_ARG             413
    ├── NotFound                   INTERNAL_ERROR          404
    │   ├── NoHost                 NO_CONNECT              404
    │   ├── NoDomain               NO_DOMAIN               404
    │   ├── NoDevice               DEVICE_MISSING          404
    │   ├── NoSnapshot             NO_DOMAIN_SNAPSHOT      404
    │   └── NoJob                  INVALID_ARG             404
    ├── Conflict                   OPERATION_INVALID       409
    │   ├── WrongState             OPERATION_INVALID       409
    │   ├── AlreadyExists          DOM_EXIST               409
    │   ├── Ambiguous              OPERATION_INVALID       409   a UUID or name that several hosts have
    │   ├── Overtaken              OPERATION_ABORTED       409   destroy or reset went past this job
    │   └── KeyReused              INVALID_ARG             422   an Idempotency-Key came back with another request
    ├── Unauthenticated            AUTH_FAILED             401
    ├── Forbidden                  ACCESS_DENIED           403
    ├── NotSupported               NO_SUPPORT              501   the family has no such facet
    ├── Expired                    OPERATION_TIMEOUT       504   the job's time limit passed
    ├── Cancelled                  OPERATION_ABORTED       409
    ├── OutcomeUnknown             OPERATION_FAILED        500   a process died in an effect that cannot be looked up
    ├── HypervisorError            OPERATION_FAILED        502   the hypervisor refused; its own words are kept
    │   ├── HypervisorGone         OPERATION_FAILED        502   it died or closed the connection meanwhile
    │   ├── HypervisorSilent       OPERATION_TIMEOUT       504   it did not answer in time
    │   └── RemovalRejected        OPERATION_FAILED        409   the guest refused to let go of the device
    ├── Unavailable                RPC                     503   bus or worker out of reach: try again
    ├── HostTaken                  OPERATION_DENIED        409   another machine claims the same host name
    ├── NoSpace                    SYSTEM_ERROR            507
    └── InternalError              INTERNAL_ERROR          500

An error says what was asked, of which host and domain, what the hypervisor answered, and what the reader can do
(`hint`). It is raised where it is known and translated once at each border: `reply()` makes the form that travels on
the bus and over HTTP, `VirtbusError.from_reply()` brings the same class back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from virtbus.errorcodes import PHRASES, ErrorCode, ErrorDomain

if TYPE_CHECKING:
    from uuid import UUID

    from virtbus.errorreply import ErrorReply as ErrorReply


def __getattr__(name: str) -> Any:
    """ErrorReply, at first use: it needs pydantic, which takes longer to load than everything that only raises."""
    if name != "ErrorReply":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from virtbus.errorreply import ErrorReply

    return ErrorReply



_CLASSES: dict[str, type[VirtbusError]] = {}


class VirtbusError(Exception):
    """The root of the tree: something was refused or went wrong.

    :param message: what was asked and why it cannot be.
    :param host: the host's name.
    :param domain: the domain's UUID or name.
    :param hint: what the reader can do.
    :param evidence: what else is known, for programs.
    """

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL_ERROR
    source: ClassVar[ErrorDomain] = ErrorDomain.DOMAIN
    status: ClassVar[int] = 500

    def __init_subclass__(cls) -> None:
        _CLASSES[cls.__name__] = cls

    def __init__(
        self,
        message: str,
        *,
        host: str | None = None,
        domain: str | UUID | None = None,
        hint: str | None = None,
        evidence: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.host = host
        self.domain = None if domain is None else str(domain)
        self.hint = hint
        self.evidence = evidence or {}

    def at(self, host: str | None = None, domain: str | UUID | None = None) -> VirtbusError:
        """Say where it happened, where that is not said yet; returns itself."""
        self.host = self.host or host
        if self.domain is None and domain is not None:
            self.domain = str(domain)
        return self

    def __str__(self) -> str:
        where = [word for word in (self.host and f"host {self.host}", self.domain and f"domain {self.domain}") if word]
        text = f"{', '.join(where)}: {self.message}" if where else self.message
        return f"{text} ({self.hint})" if self.hint else text

    @property
    def wording(self) -> str:
        """The message as libvirt's own clients show it: behind the phrase of its code."""
        phrase = PHRASES.get(self.code)
        return f"{phrase}: {self.message}" if phrase else self.message

    def reply(self) -> ErrorReply:
        """The form that travels."""
        from virtbus.errorreply import ErrorReply

        return ErrorReply(
            kind=type(self).__name__,
            code=self.code,
            code_name=f"VIR_ERR_{self.code.name}",
            domain_code=self.source,
            message=self.message,
            host=self.host,
            domain=self.domain,
            hint=self.hint,
            status=self.status,
            evidence=self.evidence,
        )

    @staticmethod
    def from_reply(reply: ErrorReply) -> VirtbusError:
        """The error that a reply describes; one of a kind we do not know becomes an InternalError."""
        kind = _CLASSES.get(reply.kind, InternalError)
        return kind(
            reply.message, host=reply.host, domain=reply.domain, hint=reply.hint, evidence=dict(reply.evidence)
        )


class InvalidArgument(VirtbusError):
    """An argument cannot be meant so."""

    code = ErrorCode.INVALID_ARG
    status = 400


class XmlError(InvalidArgument):
    """A document is not well formed, is hostile, or has something outside the vocabulary.

    `evidence["path"]` is the element or attribute, such as /domain/devices/disk[2]/@snapshot,
    `evidence["line"]` the line in the document.
    """

    code = ErrorCode.XML_ERROR

    def __str__(self) -> str:
        text, path, line = super().__str__(), self.evidence.get("path"), self.evidence.get("line")
        if path is None:
            return text
        return f"{text} (at {path})" if line is None else f"{text} (at {path}, line {line})"


class XmlDetail(XmlError):
    """A document is in the vocabulary but contradicts itself."""

    code = ErrorCode.XML_DETAIL


class XmlInternal(XmlError):
    """A document is wrong in a way that libvirt calls an internal error; it is the document's fault all the same."""

    code = ErrorCode.INTERNAL_ERROR


class XmlValue(XmlError):
    """A document has a value that libvirt calls an invalid argument."""

    code = ErrorCode.INVALID_ARG


class ConfigUnsupported(InvalidArgument):
    """The document means something that this host's hypervisor cannot do."""

    code = ErrorCode.CONFIG_UNSUPPORTED
    status = 422


class CpuIncompatible(ConfigUnsupported):
    """The host's processor cannot be what a domain asks for."""

    code = ErrorCode.CPU_INCOMPATIBLE


class NoFirmware(ConfigUnsupported):
    """No image of this host is the firmware that a domain asks for."""

    code = ErrorCode.OPERATION_FAILED


class TooLarge(InvalidArgument):
    """A document or a message is larger than the bus carries."""

    status = 413


class NotFound(VirtbusError):
    """What was named is not there."""

    status = 404


class NoHost(NotFound):
    """No host of that name is in the fleet."""

    code = ErrorCode.NO_CONNECT


class NoDomain(NotFound):
    """No domain of that UUID or name."""

    code = ErrorCode.NO_DOMAIN


class NoDevice(NotFound):
    """The domain has no such device."""

    code = ErrorCode.DEVICE_MISSING


class NoSnapshot(NotFound):
    """The domain has no such snapshot."""

    code = ErrorCode.NO_DOMAIN_SNAPSHOT


class NoJob(NotFound):
    """No job of that id is kept (libvirt has no such thing; its nearest code is INVALID_ARG)."""

    code = ErrorCode.INVALID_ARG


class Conflict(VirtbusError):
    """The state of things does not allow it."""

    code = ErrorCode.OPERATION_INVALID
    status = 409


class WrongState(Conflict):
    """The domain is not in a state in which this can be done."""


class AlreadyExists(Conflict):
    """A domain of that name or UUID is there already."""

    code = ErrorCode.DOM_EXIST


class Ambiguous(Conflict):
    """Several hosts have what was named; `evidence["candidates"]` lists them."""


class Overtaken(Conflict):
    """A destroy or a reset went past this job and made it pointless."""

    code = ErrorCode.OPERATION_ABORTED


class KeyReused(Conflict):
    """An Idempotency-Key came back with another request."""

    code = ErrorCode.INVALID_ARG
    status = 422


class Unauthenticated(VirtbusError):
    """No token, or one that is not known."""

    code = ErrorCode.AUTH_FAILED
    status = 401


class Forbidden(VirtbusError):
    """The token's role does not allow it."""

    code = ErrorCode.ACCESS_DENIED
    status = 403


class NotSupported(VirtbusError):
    """The hypervisor family does not offer this operation."""

    code = ErrorCode.NO_SUPPORT
    status = 501


class Expired(VirtbusError):
    """The time limit passed first."""

    code = ErrorCode.OPERATION_TIMEOUT
    status = 504


class Cancelled(VirtbusError):
    """Somebody cancelled the job."""

    code = ErrorCode.OPERATION_ABORTED
    status = 409


class OutcomeUnknown(VirtbusError):
    """The worker died in an effect that cannot be looked up afterwards; it is not done a second time."""

    code = ErrorCode.OPERATION_FAILED


class HypervisorError(VirtbusError):
    """The hypervisor refused or failed; `evidence["answer"]` has its own words, `evidence["sent"]` what was asked."""

    code = ErrorCode.OPERATION_FAILED
    source = ErrorDomain.QEMU
    status = 502


class HypervisorGone(HypervisorError):
    """The hypervisor or the domain's process ended before it answered."""


class HypervisorSilent(HypervisorError):
    """The hypervisor did not answer within the time limit."""

    code = ErrorCode.OPERATION_TIMEOUT
    status = 504


class RemovalRejected(HypervisorError):
    """The guest refused to let go of the device; it stays attached."""

    status = 409


class Unavailable(VirtbusError):
    """The bus or the host's worker cannot be reached now; the same request may succeed later."""

    code = ErrorCode.RPC
    source = ErrorDomain.RPC
    status = 503


class HostTaken(Conflict):
    """Another machine serves a host of this name."""

    code = ErrorCode.OPERATION_DENIED


class NoSpace(VirtbusError):
    """A disk is full."""

    code = ErrorCode.SYSTEM_ERROR
    status = 507


class InternalError(VirtbusError):
    """A defect of ours; nothing was changed as far as is known."""


_CLASSES["VirtbusError"] = VirtbusError
