"""The virtual processors of a running QEMU: in which pieces they can be plugged, and which of them are there.

    cpus = await Vcpus.of(machine)
    for piece in cpus.to_reach(6):       # or cpus.piece([16, 17, ...], enabled=True)
        await machine.execute("device_add", piece.addition)

A piece is what QEMU plugs at once: one processor on PCs, all threads of a core on POWER. Processors are numbered in
the order of the topology, piece by piece.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from virtbus.domain.domain import Domain
from virtbus.domain.tuning import Vcpus, VcpuState
from virtbus.errors import ConfigUnsupported, InvalidArgument, WrongState
from virtbus.worker.size import set_vcpus

PLUGGED = "vcpu"
"""Aliases of virtual CPUs that were plugged in begin so."""

PERIPHERAL = "/machine/peripheral/"
"""Below it in QEMU's tree is what was plugged in under an alias."""

_TOPOLOGY = ("socket-id", "die-id", "cluster-id", "module-id", "core-id", "thread-id")


class Monitored(Protocol):
    """What has a monitor."""

    async def execute(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Give a QMP command."""


@dataclass(frozen=True)
class Piece:
    """Processors that come and go together."""

    first: int
    """The number of the first of them."""
    count: int
    driver: str
    props: Mapping[str, Any]
    """Where in the topology it is."""
    path: str | None
    """Where in QEMU's tree; None while it is not there."""
    order: int | None = None
    """Its place among those that are there, from 1, in the order in which they came."""

    @property
    def numbers(self) -> range:
        """Of its processors."""
        return range(self.first, self.first + self.count)

    @property
    def alias(self) -> str | None:
        """The name under which it was plugged in; None for what the domain started with, and what is not there."""
        return self.path.removeprefix(PERIPHERAL) if self.path and self.path.startswith(PERIPHERAL) else None

    @property
    def addition(self) -> dict[str, Any]:
        """What device_add needs to know."""
        return {"driver": self.driver, "id": f"{PLUGGED}{self.first}", **self.props}


class Pieces:
    """All pieces of a domain, there or not."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.all = pieces

    @classmethod
    async def of(cls, machine: Monitored) -> Pieces:
        """As QEMU tells of them.

        :raise HypervisorError: it does not.
        """
        slots = await machine.execute("query-hotpluggable-cpus")
        threads = await machine.execute("query-cpus-fast")
        return cls(_pieces(slots, [str(thread.get("qom-path", "")) for thread in threads]))

    @property
    def present(self) -> int:
        """How many processors are there."""
        return sum(piece.count for piece in self.all if piece.path is not None)

    def to_reach(self, count: int) -> list[Piece]:
        """The pieces to plug in, or to take out, so that there are so many processors.

        :raise ConfigUnsupported: no choice of pieces makes it so many.
        """
        grows = count > self.present
        missing = abs(count - self.present)
        if grows:
            candidates = [piece for piece in self.all if piece.path is None]
        else:
            candidates = [piece for piece in reversed(self.all) if piece.alias is not None]
        chosen: list[Piece] = []
        for piece in candidates:
            if missing <= 0:
                break
            chosen.append(piece)
            missing -= piece.count
        if missing < 0:
            raise ConfigUnsupported("target vm vcpu granularity does not allow the desired vcpu count")
        if missing > 0:
            raise ConfigUnsupported(
                "failed to find appropriate hotpluggable vcpus to reach the desired target vcpu count",
                hint="virtual CPUs that the domain started with cannot be unplugged: change the persistent definition, "
                "and start the domain anew",
            )
        return chosen

    def piece(self, numbers: Collection[int], *, enabled: bool) -> Piece:
        """The one piece that these processors are.

        :param enabled: whether it shall be there.
        :raise InvalidArgument: they are not exactly one piece.
        :raise WrongState: it is as asked for.
        :raise ConfigUnsupported: it is there from the start, and stays.
        """
        touched = [piece for piece in self.all if not numbers or set(piece.numbers) & set(numbers)]
        if len(touched) != 1:
            raise InvalidArgument("only one hotpluggable entity can be selected")
        piece = touched[0]
        left_out = next((number for number in piece.numbers if number not in numbers), None)
        if left_out is not None:
            last = piece.first + piece.count - 1
            raise InvalidArgument(
                f"vcpu '{left_out}' was not selected but it belongs to hotpluggable entity '{piece.first}-{last}' "
                "which was partially selected"
            )
        if (piece.path is not None) is enabled:
            raise WrongState(f"vcpu '{piece.first}' is {'online' if enabled else 'offline'} already")
        if not enabled and piece.alias is None:
            raise ConfigUnsupported(f"vcpu '{piece.first}' can't be unplugged")
        return piece

    def note(self, domain: Domain, *, ordered: bool) -> None:
        """Note in a domain which processors are there.

        :param ordered: whether in which order they came, too: for a running one.
        """
        set_vcpus(domain, self.present)
        domain.vcpus = Vcpus(vcpus=[state for piece in self.all for state in _states(piece, ordered)])


def _pieces(slots: Sequence[Mapping[str, Any]], threads: Sequence[str]) -> list[Piece]:
    orders = _orders(threads)
    found: list[Piece] = []
    first = 0
    for slot in sorted(slots, key=lambda each: [each["props"].get(name, -1) for name in _TOPOLOGY]):
        path = slot.get("qom-path")
        count = int(slot.get("vcpus-count", 1))
        order = None if path is None else orders.get(str(path))
        found.append(Piece(first, count, str(slot["type"]), slot["props"], path, order))
        first += count
    return found


def _orders(threads: Sequence[str]) -> dict[str, int]:
    """The place of each piece, by its path: the threads of a core count once."""
    orders: dict[str, int] = {}
    for path in threads:
        piece = path.partition("/thread[")[0]
        orders.setdefault(piece, len(orders) + 1)
    return orders


def _states(piece: Piece, ordered: bool) -> list[VcpuState]:
    there = piece.path is not None
    return [
        VcpuState(
            id=number,
            enabled=there,
            hotpluggable=not there or piece.alias is not None,
            order=piece.order if ordered and there else None,
        )
        for number in piece.numbers
    ]
