"""A figure of the benchmark: samples of ours and of the rival, their quartiles, and the ratio that is promised."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Better = Literal["less", "more"]


@dataclass(frozen=True)
class Target:
    """What is promised: ours at most (or, where more is better, at least) so many times theirs."""

    bound: float
    better: Better = "less"
    of: Literal["ratio", "ours"] = "ratio"
    """`ours` where the figure itself is promised and there is no rival."""

    def __str__(self) -> str:
        return f"{'<=' if self.better == 'less' else '>='} {self.bound:g}{' x' if self.of == 'ratio' else ''}"

    def met(self, value: float) -> bool:
        """Whether a ratio (or a figure) keeps the promise."""
        return value <= self.bound if self.better == "less" else value >= self.bound


@dataclass
class Row:
    """One line of the table."""

    name: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float] = ()
    target: Target | None = None
    rival: str = "libvirtd"
    of: Literal["median", "p99", "best"] = "median"
    """What of the samples is compared; the best where anything else on the machine can only add."""
    notes: dict[str, Any] = field(default_factory=dict)
    fails: list[str] = field(default_factory=list)
    """What else is not as promised."""

    def value(self, samples: Sequence[float]) -> float | None:
        """The figure of some samples; None where there are none."""
        if not samples:
            return None
        return _FIGURES[self.of](samples)

    @property
    def ratio(self) -> float | None:
        """Ours in theirs."""
        ours, theirs = self.value(self.ours), self.value(self.theirs)
        return None if ours is None or not theirs else ours / theirs

    @property
    def ok(self) -> bool | None:
        """Whether the promise is kept; None where nothing is promised or it could not be compared."""
        if self.target is None:
            return None
        value = self.value(self.ours) if self.target.of == "ours" else self.ratio
        return None if value is None else self.target.met(value) and not self.fails

    def document(self) -> dict[str, Any]:
        """The row as it is written to bench.json."""
        return {
            "name": self.name,
            "ours": _rounded(self.value(self.ours)),
            "theirs": _rounded(self.value(self.theirs)),
            "unit": self.unit,
            "ratio": _rounded(self.ratio),
            "target": None if self.target is None else str(self.target),
            "n": len(self.ours),
            "ok": self.ok,
            "of": self.of,
            "rival": self.rival if self.theirs else None,
            "quartiles": {"ours": quartiles(self.ours), "theirs": quartiles(self.theirs)},
            "fails": self.fails,
            "notes": self.notes,
        }


def percentile(samples: Sequence[float], part: float) -> float:
    """The sample below which that part of all lies."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def quartiles(samples: Sequence[float]) -> list[float] | None:
    """The three quartiles; None for fewer than two samples."""
    if len(samples) < 2:
        return None
    return [round(value, 3) for value in statistics.quantiles(samples, n=4, method="inclusive")]


_FIGURES: dict[str, Callable[[Sequence[float]], float]] = {
    "median": statistics.median,
    "p99": lambda samples: percentile(samples, 0.99),
    "best": min,
}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
