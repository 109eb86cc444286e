"""`virtbus doctor [FAMILY ...]`: look at this machine, say what to mend. It changes nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from virtbus.config import BUS_ENVIRONMENT, load
from virtbus.doctor.bus import bus
from virtbus.doctor.certificates import tls
from virtbus.doctor.finding import Check, Family, Finding, Place, Verdict
from virtbus.doctor.machine import cgroups, identity, room, secrets
from virtbus.errors import VirtbusError

GROUP = "virtbus.doctor"
"""Entry points of hypervisor families, each a `Family`."""
LIMIT = 60.0
"""Seconds that one check is given: QEMU's, the longest, starts QEMU."""

CHECKS: tuple[Check, ...] = (identity, room, secrets, tls, cgroups, bus)
"""What is looked at on every machine, in this order."""

ENVIRONMENT = BUS_ENVIRONMENT | {
    "VIRTBUS_NAME": ("name",),
    "VIRTBUS_HOSTS": ("hosts",),
    "VIRTBUS_RUN_DIR": ("run_dir",),
    "VIRTBUS_STATE_DIR": ("state_dir",),
    "VIRTBUS_TOKEN_FILE": ("token_file",),
    "VIRTBUS_TLS_CERT": ("tls_cert",),
    "VIRTBUS_TLS_KEY": ("tls_key",),
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    families = sorted(entry.name for entry in entry_points(group=GROUP))
    result = argparse.ArgumentParser(
        prog="virtbus doctor",
        description="Look whether a gateway or a worker would work on this machine, and say what to mend."
        " Nothing is changed.",
        epilog="Exit code: 0 where nothing is bad, 1 where something is (with --strict also where something is weak),"
        " 2 where the settings cannot be read. Settings are the service's own: --config, else VIRTBUS_* variables.",
    )
    result.add_argument("families", nargs="*", choices=[*families, []], metavar="FAMILY",
                        help=f"hypervisor families to look for ({', '.join(families)}); default: those of the hosts in"
                        " the settings, else those that are here")  # fmt: skip
    result.add_argument("--config", type=Path, metavar="FILE", help="the service's settings as TOML")
    result.add_argument("--host", action="append", dest="hosts", metavar="NAME[=URI]",
                        help="a host that the worker serves; may be repeated")  # fmt: skip
    result.add_argument("--name", help="the service's name on the bus")
    result.add_argument("--nats", action="append", metavar="URL", help="a server of the bus; may be repeated")
    result.add_argument("--monitor", metavar="URL", help="a server's monitoring port")
    result.add_argument("--nkey-seed", type=Path, metavar="FILE", help="the NKEY seed of the service's bus user")
    result.add_argument("--run-dir", type=Path, metavar="DIR")
    result.add_argument("--state-dir", type=Path, metavar="DIR")
    result.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="a setting of the family")
    result.add_argument("--json", action="store_true", help="one document, for programs")
    result.add_argument("--strict", action="store_true", help="what is weak counts as bad in the exit code")
    return result


def main(argv: Sequence[str]) -> int:
    """Look, print, and return the exit code."""
    arguments = parser().parse_args(argv)
    try:
        place = load(Place, ENVIRONMENT, file=arguments.config, flags=_flags(arguments))
    except VirtbusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    findings = asyncio.run(examine(place, arguments.families))
    print(_document(findings) if arguments.json else _page(findings))
    wrong = {Verdict.BAD, Verdict.WEAK} if arguments.strict else {Verdict.BAD}
    return 1 if any(finding.verdict in wrong for finding in findings) else 0


def _flags(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "hosts": arguments.hosts,
        "name": arguments.name,
        "run_dir": arguments.run_dir,
        "state_dir": arguments.state_dir,
        "options": dict(option.partition("=")[::2] for option in arguments.option),
        "bus": {"servers": arguments.nats, "monitor": arguments.monitor, "nkey_seed": arguments.nkey_seed},
    }


async def examine(place: Place, families: Sequence[str] = ()) -> list[Finding]:
    """Every finding about a machine.

    :param families: the hypervisor families to look for; none: those that the settings name, else those that are here.
    """
    known = {entry.name: cast(Family, entry.load()) for entry in entry_points(group=GROUP)}
    wanted = set(families) or place.families or {name for name, family in known.items() if family.present(place)}
    checks = [*CHECKS, *(check for name in sorted(wanted & known.keys()) for check in known[name].checks)]
    return [finding for check in checks for finding in await _looked(check, place)]


async def _looked(check: Check, place: Place) -> Sequence[Finding]:
    """What a check finds; one that fails hides no other."""
    name = getattr(check, "__name__", "check")
    try:
        async with asyncio.timeout(LIMIT):
            return await check(place)
    except TimeoutError:
        return [Finding(name, Verdict.BAD, f"no answer within {LIMIT:g} s", "look at it by hand: it hangs")]
    except (VirtbusError, OSError, ValueError) as error:
        hint = getattr(error, "hint", None) or "look at it by hand"
        return [Finding(name, Verdict.BAD, getattr(error, "message", None) or str(error), hint)]


def _counted(findings: Iterable[Finding]) -> dict[str, int]:
    counted = Counter(finding.verdict for finding in findings)
    return {verdict.value: counted[verdict] for verdict in Verdict}


def _document(findings: Sequence[Finding]) -> str:
    return json.dumps({"findings": [asdict(finding) for finding in findings], "count": _counted(findings)}, indent=2)


def _page(findings: Sequence[Finding]) -> str:
    lines = []
    for finding in findings:
        lines.append(f"{finding.verdict:4}  {finding.topic:12}  {finding.said}")
        if finding.mend:
            lines.append(f"{'':20}-> {finding.mend}")
    counted = _counted(findings)
    return "\n".join([*lines, f"{counted['good']} good, {counted['weak']} weak, {counted['bad']} bad"])
