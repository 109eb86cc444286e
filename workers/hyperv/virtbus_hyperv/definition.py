"""What a definition becomes on a Hyper-V host: hardware and frame, and whether anything of it would be lost."""

from __future__ import annotations

from dataclasses import dataclass

from virtbus import domain as vocabulary
from virtbus.domain import Domain, DomainType, MemballoonModel
from virtbus.domain.boot import OsTypeName
from virtbus.errors import ConfigUnsupported
from virtbus_hyperv.conversion.frame import frame_of, refusal
from virtbus_hyperv.conversion.hardware import Hardware
from virtbus_hyperv.conversion.losses import first_loss
from virtbus_hyperv.conversion.parse import hardware_of, refuse
from virtbus_hyperv.conversion.render import domain_of

ARCHITECTURES = ("x86_64", "i686")


@dataclass(frozen=True)
class Definition:
    """A definition in its two parts."""

    hardware: Hardware
    frame: Domain


def split(domain: Domain) -> Definition:
    """:raises ConfigUnsupported: Hyper-V has no such thing."""
    return Definition(hardware_of(domain), frame_of(domain))


def complete(domain: Domain, previous: Domain | None) -> Domain:
    """See Driver.complete."""
    try:
        return _complete(domain, previous)
    except ConfigUnsupported as error:
        raise error.at(domain=domain.uuid or domain.name) from None


def _complete(domain: Domain, previous: Domain | None) -> Domain:
    wanted = domain.copy()
    wanted.id = None
    if wanted.uuid is None and previous is not None:
        wanted.uuid = previous.uuid
    vocabulary.complete(wanted)
    _check_kind(wanted)
    _forget_nothings(wanted)
    refused = refusal(wanted)
    if refused is not None:
        raise refuse(*refused)
    parts = split(wanted)
    made = domain_of(parts.hardware, parts.frame)
    _round(wanted, made)
    lost = first_loss(wanted, made)
    if lost is not None:
        raise refuse(lost.partition(" of ")[0], f"Hyper-V cannot do what the definition says at {lost}")
    vocabulary.check(made)
    return made


def _check_kind(domain: Domain) -> None:
    if domain.type is not DomainType.HYPERV:
        raise refuse("/domain/@type", f"a Hyper-V host runs domains of type 'hyperv', not '{domain.type.value}'")
    if domain.os is not None and domain.os.type.name is not OsTypeName.HVM:
        raise refuse("/domain/os/type", f"a Hyper-V host runs 'hvm' guests, not '{domain.os.type.name.value}'")
    if domain.os is not None and domain.os.type.arch not in (None, *ARCHITECTURES):
        raise refuse("/domain/os/type/@arch", f"a Hyper-V host has no processor of kind {domain.os.type.arch}")


def _forget_nothings(domain: Domain) -> None:
    """What says that something is not there is fulfilled."""
    balloon = domain.devices.memballoon
    if balloon is not None and balloon.model is MemballoonModel.NONE:
        domain.devices.memballoon = None
    if domain.os is not None and domain.os.type.arch == "i686":
        # A guest of 32 bits runs on the same machine.
        domain.os.type.arch = "x86_64"


def _round(wanted: Domain, made: Domain) -> None:
    """Memory is counted in 2 MiB: what is a little more than was asked for is no loss. Nor is the alias that a live
    device has."""
    wanted.memory, wanted.current_memory = made.memory, made.current_memory
    for device in wanted.devices.every():
        if device.alias is not None and not device.alias.startswith("ua-"):
            device.alias = None
