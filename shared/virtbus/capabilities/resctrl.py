"""What of caches and memory bandwidth can be given out and observed (Linux: Documentation/arch/x86/resctrl)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from virtbus.capabilities.topology import (
    BandwidthControl,
    BandwidthNode,
    Bank,
    CacheControl,
    Monitor,
    MonitorFeature,
)

#: The suffix of a resource's folder to the kind of data that it holds.
_KINDS = {"": "both", "CODE": "code", "DATA": "data"}

_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


@dataclass(frozen=True, slots=True)
class Resctrl:
    """The folder `info` of the resource control file system; all is empty where there is none."""

    folder: Path | None

    @classmethod
    def at(cls, mount: Path | None) -> Resctrl:
        """As mounted at a path."""
        folder = mount / "info" if mount else None
        return cls(folder if folder and folder.is_dir() else None)

    def cache(self, bank: Bank) -> list[CacheControl]:
        """In what portions a cache can be given out."""
        found = []
        for suffix, kind in _KINDS.items():
            name = f"L{bank.level}{suffix}"
            mask = self._text(f"{name}/cbm_mask")
            if mask is None:
                continue
            portion = bank.size * _UNITS[bank.unit] // int(mask, 16).bit_count()
            least = self._number(f"{name}/min_cbm_bits")
            unit = next(unit for unit in reversed(_UNITS) if portion % _UNITS[unit] == 0)
            found.append(
                CacheControl(
                    granularity=portion // _UNITS[unit],
                    min=least * portion // _UNITS[unit] if least > 1 else None,
                    unit=unit,
                    type=kind,
                    max_allocs=self._number(f"{name}/num_closids"),
                )
            )
        return found

    def bandwidth(self, banks: Iterable[Bank]) -> list[BandwidthNode]:
        """In what portions the memory behind each last-level cache can be given out."""
        if self._text("MB/num_closids") is None:
            return []
        control = BandwidthControl(
            granularity=self._number("MB/bandwidth_gran"),
            min=self._number("MB/min_bandwidth"),
            max_allocs=self._number("MB/num_closids"),
        )
        last = [bank for bank in banks if bank.level == 3]
        return [BandwidthNode(id=bank.id, cpus=bank.cpus, control=control) for bank in last]

    def cache_monitor(self) -> Monitor | None:
        """What of the last-level cache can be observed."""
        monitor = self._monitor("llc_")
        if monitor is not None:
            monitor.level = 3
            monitor.reuse_threshold = self._number("L3_MON/max_threshold_occupancy")
        return monitor

    def bandwidth_monitor(self) -> Monitor | None:
        """What of the memory bandwidth can be observed."""
        return self._monitor("mbm_")

    def _monitor(self, prefix: str) -> Monitor | None:
        names = (self._text("L3_MON/mon_features") or "").split()
        features = [MonitorFeature(name=name) for name in names if name.startswith(prefix)]
        if not features:
            return None
        return Monitor(max_monitors=self._number("L3_MON/num_rmids"), features=features)

    def _text(self, path: str) -> str | None:
        if self.folder is None:
            return None
        try:
            return (self.folder / path).read_text().strip()
        except OSError:
            # What the processor cannot do has no file.
            return None

    def _number(self, path: str) -> int:
        return int(self._text(path) or "0")
