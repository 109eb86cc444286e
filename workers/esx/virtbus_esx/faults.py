"""What the API answers instead of a result: faults, and what each means here."""

from __future__ import annotations

from virtbus.errors import (
    AlreadyExists,
    Cancelled,
    ConfigUnsupported,
    Conflict,
    Forbidden,
    HypervisorError,
    NoSpace,
    NotFound,
    NotSupported,
    Unauthenticated,
    Unavailable,
    VirtbusError,
    WrongState,
)
from virtbus_esx.nodes import Node, find, kind, local, number, text

_KINDS: dict[str, tuple[type[VirtbusError], str]] = {
    "InvalidPowerState": (WrongState, "look at the domain's state"),
    "InvalidState": (WrongState, "look at the domain's state, and at what else is being done to it"),
    "TaskInProgress": (Conflict, "another task of the domain is not done yet: try again"),
    "ConcurrentAccess": (Conflict, "somebody changed the domain at the same time: look and try again"),
    "DuplicateName": (AlreadyExists, "give it another name"),
    "AlreadyExists": (AlreadyExists, "give it another name"),
    "FileAlreadyExists": (AlreadyExists, "name another file, or remove the one that is there"),
    "ManagedObjectNotFound": (NotFound, "it has just been removed"),
    "NotFound": (NotFound, "it has just been removed"),
    "FileNotFound": (NotFound, "see the storage pool's volumes"),
    "InvalidLogin": (Unauthenticated, "see the user in the host's URI, and the file that the option secret names"),
    "NoPermission": (Forbidden, "give the role of the worker's user this privilege"),
    "NotSupported": (ConfigUnsupported, "this host or this machine's hardware version cannot do it"),
    "InvalidArgument": (ConfigUnsupported, "change what is asked for"),
    "InvalidName": (ConfigUnsupported, "choose another name"),
    "InvalidVmConfig": (ConfigUnsupported, "change what is asked for"),
    "InvalidDeviceSpec": (ConfigUnsupported, "change the device"),
    "InvalidDeviceBacking": (ConfigUnsupported, "see the host's networks and volumes"),
    "InvalidDeviceOperation": (ConfigUnsupported, "shut the domain down first"),
    "InvalidController": (ConfigUnsupported, "change the device's address"),
    "TooManyDevices": (ConfigUnsupported, "the domain has as many of these as there can be"),
    "CpuHotPlugNotSupported": (ConfigUnsupported, "shut the domain down first"),
    "MemoryHotPlugNotSupported": (ConfigUnsupported, "shut the domain down first"),
    "ToolsUnavailable": (HypervisorError, "VMware Tools do not run in the guest; destroy and reset need none"),
    "MethodNotFound": (NotSupported, "this host does not have it"),
    "NotImplemented": (NotSupported, "this host does not have it"),
    "RequestCanceled": (Cancelled, "it was cancelled"),
    "NoDiskSpace": (NoSpace, "see the storage pools"),
    "InsufficientStorageSpace": (NoSpace, "see the storage pools"),
    "HostNotConnected": (Unavailable, "the vCenter does not reach the host"),
    "HostCommunication": (Unavailable, "the vCenter does not reach the host"),
    "NotAuthenticated": (Unavailable, "the worker logs in again by itself"),
}
"""The error of each fault, and what the reader can do; others are HypervisorErrors."""

_TOLD = ("name", "file", "argument", "property", "invalidProperty", "privilegeId", "existingState", "requestedState")
"""What faults say besides, where it names something."""


class Fault(Exception):
    """A fault, before anybody has said what it means."""

    def __init__(self, kind: str, message: str, told: dict[str, str], index: int | None = None) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.told = told
        self.index = index
        """Of the change in a request that is at fault."""

    def error(self, what: str) -> VirtbusError:
        """What it means for who asked for `what`."""
        found, hint = _KINDS.get(self.kind, (HypervisorError, ""))
        told = ", ".join(f"{name} {value}" for name, value in self.told.items())
        message = f"{what}: {self.kind}" + (f" ({told})" if told else "")
        if self.message and self.message != self.kind:
            message += f": {self.message}"
        evidence = {"answer": self.kind, "sent": what, **self.told}
        return found(message, hint=hint or None, evidence=evidence)


def fault_of(node: Node) -> Fault:
    """The fault in a <soapenv:Fault>."""
    message = (node.findtext("faultstring") or "").strip()
    detail = node.find("detail")
    inside = None if detail is None or not len(detail) else detail[0]
    if inside is None:
        return Fault("RuntimeFault", message, {})
    name = kind(inside) or local(inside).removesuffix("Fault")
    return Fault(name, message, _told(inside), number(inside, "deviceIndex"))


def task_fault(error: Node) -> Fault:
    """The fault in a task's error (LocalizedMethodFault)."""
    inside = find(error, "fault")
    message = text(error, "localizedMessage") or ""
    if inside is None:
        return Fault("RuntimeFault", message, {})
    name = kind(inside)
    # The simulator gives the type's Go name for a message.
    return Fault(name, "" if message.startswith("*types.") else message, _told(inside), number(inside, "deviceIndex"))


def _told(node: Node) -> dict[str, str]:
    return {name: value for name in _TOLD if (value := text(node, name))}
