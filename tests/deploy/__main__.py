"""Writes docs/dashboards.md: what a real Prometheus answers the dashboards from a running Virtbus.

    python -m tests.deploy

Grafana itself is in no Debian release; these are the figures that it would draw.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.deploy.manifests import ROOT
from tests.deploy.prometheus import Prometheus, exercise, prometheus, virtbus
from tests.deploy.test_grafana import NAMES, dashboard

FILE = ROOT / "docs" / "dashboards.md"
HOSTS = ("lab1=simulated:///default?domains=20", "lab2=simulated:///default?domains=10")
SHOWN = 4
"""Lines of an answer that are written down."""
HEAD = """# The dashboards' figures

Written by `python -m tests.deploy`: a real Prometheus scraped a Virtbus with two simulated hosts every second, and was
asked what [deploy/grafana](../deploy/grafana) asks. Grafana, which would draw this, is in no Debian release. A figure
holds for the machine and the run that it comes from.
"""


async def main() -> None:
    """Run the fleet, ask, write."""
    folder = Path(tempfile.mkdtemp(prefix="vb-"))
    try:
        async with virtbus(folder, HOSTS) as up, prometheus(folder, up) as asked:
            await asked.scraped(2)
            # More than once, since a counter that is new has not grown yet.
            for times in (4, 6, 8):
                await exercise(up, "lab1")
                await asked.scraped(times)
            pages = [await _page(asked, name) for name in NAMES]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    FILE.write_text("\n".join([HEAD, *pages]), encoding="utf-8")


async def _page(asked: Prometheus, name: str) -> str:
    board = dashboard(name)
    rows = ["| panel | lines | such as |", "|---|---|---|"]
    for panel in board["panels"]:
        lines: list[str] = []
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "10s").replace("$host", ".*").replace("$domain", ".*")
            lines += [_line(target["legendFormat"], sample) for sample in await asked.query(text)]
        unit = panel["fieldConfig"]["defaults"]["unit"]
        rows.append(f"| {panel['title']}{'' if unit == 'none' else f' ({unit})'} | {len(lines)} | {_some(lines)} |")
    return "\n".join([f"## {board['title']}", "", *rows, ""])


def _line(legend: str, sample: dict[str, Any]) -> str:
    labels = sample["metric"]
    for key, value in labels.items():
        legend = legend.replace(f"{{{{{key}}}}}", value)
    called = legend or " ".join(value for key, value in sorted(labels.items()) if key not in {"uuid", "__name__"})
    return f"{called} {float(sample['value'][1]):.4g}".strip()


def _some(lines: Sequence[str]) -> str:
    more = len(lines) - SHOWN
    return "; ".join(lines[:SHOWN]) + (f"; and {more} more" if more > 0 else "")


if __name__ == "__main__":
    asyncio.run(main())
