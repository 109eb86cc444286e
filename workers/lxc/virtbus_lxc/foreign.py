"""Containers that others made, with lxc-create or by hand: found by their configurations, known by a UUID of ours."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid5

from virtbus.domain import Domain, DomainType, Form
from virtbus.domain.devicedefaults import MAC_PREFIX
from virtbus.domain.interface import Mac
from virtbus.errors import VirtbusError
from virtbus_lxc.config import read_config
from virtbus_lxc.definition import fill

log = logging.getLogger(__name__)

NAMESPACE = UUID("6a6f1a3e-52a7-5c0b-9d0e-3d3c2f6f4b11")
"""Of the UUIDs that are made from a container's folder and name."""


@dataclass(frozen=True)
class Foreign:
    """A container that somebody else made."""

    uuid: UUID
    path: Path
    """The folder in which LXC has it."""
    name: str
    definition: Domain
    """Its configuration as a domain."""

    @property
    def config(self) -> Path:
        """Its own configuration."""
        return self.path / self.name / "config"

    def unchanged(self, definition: Domain) -> bool:
        """Whether a definition still says what the configuration says, so that it can be started from that."""
        return definition.format(Form.INACTIVE, secure=True) == self.definition.format(Form.INACTIVE, secure=True)


def foreign_uuid(machine: str, path: Path, name: str) -> UUID:
    """The UUID of a container, the same each time it is asked for; LXC's containers have none."""
    return uuid5(NAMESPACE, f"{machine}:{path}:{name}")


def find_foreign(machine: str, paths: Iterable[Path]) -> Iterator[Foreign]:
    """The containers in these folders; one that makes no sense is left out and said so."""
    for path in paths:
        for config in sorted(path.glob("*/config")):
            name = config.parent.name
            try:
                definition = read_config(config.read_text(), foreign_uuid(machine, path, name))
                definition.name = name
                _address(definition)
                fill(definition)
            except (VirtbusError, OSError, ValueError) as error:
                log.warning("the container %s makes no sense, and is left alone: %s", config.parent, error)
                continue
            assert definition.uuid is not None
            yield Foreign(definition.uuid, path, name, definition)


def _address(definition: Domain) -> None:
    """Interfaces of which LXC would choose the MAC address get one that is the same each time they are read."""
    for number, interface in enumerate(definition.devices.interfaces):
        if interface.mac is None:
            digits = uuid5(NAMESPACE, f"{definition.uuid}:{number}").hex
            prefix = MAC_PREFIX[DomainType.LXC]
            interface.mac = Mac(address=":".join([prefix, digits[0:2], digits[2:4], digits[4:6]]))
