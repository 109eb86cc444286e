"""`virtbus worker FAMILY --host NAME=URI ...`: serve hosts of one hypervisor family on the bus."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from virtbus.bus.settings import BusSettings
from virtbus.config import BUS_ENVIRONMENT, load
from virtbus.driver import Driver, HostSettings
from virtbus.errors import InvalidArgument, VirtbusError
from virtbus.loop import run
from virtbus.worker.service import Worker, WorkerSettings
from virtbus.worker.tenure import HostPlan

HOST = re.compile(r"^[a-z0-9_-]{1,63}$")
DEFAULT_URIS = {"qemu": "qemu:///system", "simulated": "simulated:///default"}
"""The URI of a host that is named without one."""


class CommandSettings(BaseModel):
    """Everything that file, environment and flags may say."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    hosts: list[str] = []
    """NAME=URI, or NAME for the family's usual hypervisor of this machine."""
    run_dir: Path = Path("/run/virtbus")
    state_dir: Path = Path("/var/lib/virtbus")
    metrics: str | None = None
    take_over_host: bool = False
    options: dict[str, str] = {}
    bus: BusSettings = BusSettings()


ENVIRONMENT = BUS_ENVIRONMENT | {
    "VIRTBUS_NAME": ("name",),
    "VIRTBUS_HOSTS": ("hosts",),
    "VIRTBUS_RUN_DIR": ("run_dir",),
    "VIRTBUS_STATE_DIR": ("state_dir",),
    "VIRTBUS_METRICS": ("metrics",),
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    families = ", ".join(sorted(entry.name for entry in entry_points(group="virtbus.drivers")))
    result = argparse.ArgumentParser(
        prog="virtbus worker",
        description="Serve hosts of one hypervisor family on the bus. Domains run on when the worker stops.",
        epilog="Settings also come from the environment (VIRTBUS_NATS, VIRTBUS_NKEY_SEED, VIRTBUS_HOSTS, ...)"
        " and from a TOML file (--config), whose keys are the long options.",
    )
    result.add_argument("family", help=f"the hypervisor family; installed here: {families}")
    result.add_argument("--host", action="append", dest="hosts", metavar="NAME[=URI]",
                        help="a host to serve, and its hypervisor's URI; may be repeated")  # fmt: skip
    result.add_argument("--name", help="this worker's name on the bus (default: worker_ and the first host's name)")
    result.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML")
    result.add_argument("--nats", action="append", metavar="URL", help="a server of the bus; may be repeated")
    result.add_argument("--nkey-seed", type=Path, metavar="FILE", help="the NKEY seed of this worker's bus user")
    result.add_argument("--prefix", help="first token of every subject (default: virtbus)")
    result.add_argument("--run-dir", type=Path, metavar="DIR", help="runtime folders of hosts (default: /run/virtbus)")
    result.add_argument("--state-dir", type=Path, metavar="DIR", help="lasting folders (default: /var/lib/virtbus)")
    result.add_argument("--metrics", metavar="ADDR:PORT", help="let Prometheus ask this process there")
    result.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="a setting of the family")
    result.add_argument("--take-over-host", action="store_true", default=None,
                        help="take the host's name over from another machine that is gone for good")  # fmt: skip
    return result


def main(argv: Sequence[str]) -> int:
    """Run a worker until SIGTERM; returns the exit code."""
    arguments = parser().parse_args(argv)
    logging.basicConfig(
        level=os.environ.get("VIRTBUS_LOG", "INFO"), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        settings = load(CommandSettings, ENVIRONMENT, file=arguments.config, flags=_flags(arguments))
        worker = build(arguments.family, settings)
    except VirtbusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    run(worker.run())
    return 0


def _flags(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "name": arguments.name,
        "hosts": arguments.hosts,
        "run_dir": arguments.run_dir,
        "state_dir": arguments.state_dir,
        "metrics": arguments.metrics,
        "take_over_host": arguments.take_over_host,
        "options": dict(option.partition("=")[::2] for option in arguments.option),
        "bus": {"servers": arguments.nats, "nkey_seed": arguments.nkey_seed, "prefix": arguments.prefix},
    }


def build(family: str, settings: CommandSettings) -> Worker:
    """The worker that these settings describe.

    :raises InvalidArgument: no such family, no host, or a name that is none.
    """
    driver = find_driver(family)
    plans = [_plan(text, family, driver, settings) for text in settings.hosts]
    if not plans:
        raise InvalidArgument("no host to serve", hint="name one: --host NAME=URI")
    worker = WorkerSettings(
        name=settings.name or f"worker_{plans[0].settings.name}",
        family=family,
        bus=settings.bus,
        metrics=settings.metrics,
    )
    return Worker(worker, plans)


def find_driver(family: str) -> type[Driver]:
    """The driver class of a family, found among the installed packages.

    :raises InvalidArgument: none is installed.
    """
    found = entry_points(group="virtbus.drivers", name=family)
    if not found:
        installed = ", ".join(sorted(entry.name for entry in entry_points(group="virtbus.drivers")))
        raise InvalidArgument(f"no driver for {family} is installed", hint=f"there are: {installed}")
    driver: type[Driver] = next(iter(found)).load()
    return driver


def _plan(text: str, family: str, driver: type[Driver], settings: CommandSettings) -> HostPlan:
    name, _, uri = text.partition("=")
    if not HOST.match(name):
        raise InvalidArgument(
            f"'{name}' cannot name a host", hint="lower-case letters, digits, - and _, at most 63 of them"
        )
    host = HostSettings(
        name=name,
        uri=uri or DEFAULT_URIS.get(family, f"{family}:///"),
        run=settings.run_dir / name,
        state=settings.state_dir / "hosts" / name,
        options=settings.options,
    )
    return HostPlan(host, driver, settings.take_over_host)
