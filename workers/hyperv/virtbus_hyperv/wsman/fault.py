"""Faults of WS-Management and of WMI, as our errors."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from virtbus.errors import (
    HypervisorError,
    HypervisorSilent,
    InvalidArgument,
    NotFound,
    TooLarge,
    Unavailable,
    VirtbusError,
)
from virtbus_hyperv.wsman.names import MICROSOFT_FAULT, SOAP, tag


@dataclass(frozen=True)
class Fault:
    """What the host answered instead of a result."""

    subcode: str
    """Such as EncodingLimit, without its prefix."""
    reason: str
    number: int = 0
    """The number of Windows, from the WSManFault or the WMI error in the detail; 0 where there is none."""
    message: str = ""
    """The provider's own words."""


_KINDS: dict[str, tuple[type[VirtbusError], str]] = {
    "AccessDenied": (HypervisorError, "grant the user the Hyper-V Administrators and Remote Management Users groups"),
    "InvalidSelectors": (NotFound, ""),
    "DestinationUnreachable": (NotFound, ""),
    "EndpointUnavailable": (Unavailable, "the host's management service is busy or starting: try again"),
    "TimedOut": (HypervisorSilent, ""),
    "EncodingLimit": (TooLarge, "raise MaxEnvelopeSizekb of the host: winrm set winrm/config"),
    "QuotaLimit": (Unavailable, "the host's quota of requests is used up: try again"),
    "Concurrency": (Unavailable, "the host is busy with another request: try again"),
    "InvalidParameter": (InvalidArgument, ""),
    "CannotProcessFilter": (InvalidArgument, ""),
    "InvalidEnumerationContext": (Unavailable, "the host forgot the list while it was read: ask again"),
}
"""What a subcode of WS-Management, WS-Addressing or WS-Enumeration is for us, and what helps."""

_NUMBERS = {
    0x80041002: "InvalidSelectors",  # WBEM_E_NOT_FOUND
    0x80041003: "AccessDenied",  # WBEM_E_ACCESS_DENIED
    0x80041010: "DestinationUnreachable",  # WBEM_E_INVALID_CLASS
    0x80338029: "TimedOut",  # ERROR_WSMAN_OPERATION_TIMEDOUT
    0x80338048: "QuotaLimit",
}
"""The same by number: WMI's errors come inside a general subcode."""


def read_fault(root: etree._Element) -> Fault | None:
    """The fault in an answer; None where it has a result."""
    node = root.find(f"{tag(SOAP, 'Body')}/{tag(SOAP, 'Fault')}")
    if node is None:
        return None
    subcode = node.findtext(f"{tag(SOAP, 'Code')}/{tag(SOAP, 'Subcode')}/{tag(SOAP, 'Value')}", "")
    reason = node.findtext(f"{tag(SOAP, 'Reason')}/{tag(SOAP, 'Text')}", "")
    detail = node.find(f".//{tag(MICROSOFT_FAULT, 'WSManFault')}")
    number, message = 0, ""
    if detail is not None:
        number = int(detail.get("Code", "0")) & 0xFFFFFFFF
        message = " ".join("".join(str(text) for text in detail.itertext()).split())
    for each in node.iter():
        if isinstance(each.tag, str) and etree.QName(each).localname == "error_Code" and each.text:
            number = int(each.text) & 0xFFFFFFFF
    return Fault(subcode.rpartition(":")[2], reason.strip(), number, message)


def error_of(fault: Fault, sent: str) -> VirtbusError:
    """The error that a fault is for us.

    :param sent: what was asked, in a few words without secrets.
    """
    name = _NUMBERS.get(fault.number, fault.subcode)
    kind, hint = _KINDS.get(name, (HypervisorError, ""))
    said = fault.message or fault.reason or fault.subcode
    evidence = {"sent": sent, "answer": said, "fault": fault.subcode, "number": f"{fault.number:#010x}"}
    return kind(f"the host refused {sent}: {said}", hint=hint or None, evidence=evidence)
