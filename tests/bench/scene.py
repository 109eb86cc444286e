"""What a measure is given: both sides, how often to do things, and a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.rival import Rival
from tests.bench.side import Name, Side
from tests.bench.stack import Stack
from tests.guests import linux


@dataclass(frozen=True)
class Scale:
    """How often things are done."""

    runs: int
    """Starts and destroys."""
    plugs: int
    """Disks plugged and unplugged."""
    crowd: int
    """Domains of the crowd."""
    rounds: int
    """Times that the crowd is started."""
    surveys: int
    """Statistics of the crowd."""
    calls: int
    """Calls of each kind and each side of the frozen domain."""
    block: int
    """Calls of each kind before the side changes."""
    rate: float
    """Calls of each kind in a second."""
    herd: int
    """Domains beside the frozen one."""
    frozen: int
    """Frozen domains destroyed."""
    small: int
    """Runs of what needs no domain."""


FULL = Scale(
    runs=30, plugs=60, crowd=50, rounds=3, surveys=40, calls=2000, block=250, rate=15, herd=8, frozen=20, small=30
)  # fmt: skip
QUICK = Scale(runs=6, plugs=10, crowd=8, rounds=1, surveys=10, calls=200, block=50, rate=20, herd=4, frozen=3, small=5)
TINY = Scale(runs=2, plugs=2, crowd=2, rounds=1, surveys=2, calls=10, block=5, rate=20, herd=2, frozen=1, small=2)


@dataclass
class Scene:
    """The two contestants on one machine."""

    ours: Stack
    theirs: Rival | None
    folder: Path
    scale: Scale
    _guest: list[linux.Guest] = field(default_factory=list)

    @property
    def guest(self) -> linux.Guest:
        """The guest that both boot."""
        if not self._guest:
            self._guest.append(linux.build())
        return self._guest[0]

    def sides(self, turn: int = 0) -> Iterator[Side]:
        """Both, where there are both; who begins changes from turn to turn."""
        both: list[Side] = [self.ours] if self.theirs is None else [self.ours, self.theirs]
        return iter(both if turn % 2 == 0 else both[::-1])

    def file(self, side: Side, name: str) -> Path:
        """A file of one side."""
        folder = self.folder / "files" / side.key
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name


@dataclass
class Samples:
    """What was measured of both."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def add(self, key: Name, value: float) -> None:
        """Take a sample."""
        (self.ours if key == "ours" else self.theirs).append(value)
