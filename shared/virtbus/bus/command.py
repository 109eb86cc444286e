"""`virtbus bus`: make the streams, print the server's users, check what runs."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from virtbus.bus.connection import Bus
from virtbus.bus.rights import (
    BusUser,
    Rights,
    authorization,
    gateway_rights,
    public_key,
    reader_rights,
    setup_rights,
    worker_rights,
    write_seed,
)
from virtbus.bus.settings import BusSettings
from virtbus.bus.subjects import Subjects
from virtbus.config import BUS_ENVIRONMENT, load
from virtbus.errors import VirtbusError


class CommandSettings(BaseModel):
    """What file, environment and flags may say."""

    model_config = ConfigDict(extra="forbid")

    bus: BusSettings = BusSettings()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="virtbus bus", description="Set up and check the bus.")
    result.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML")
    result.add_argument("--nats", action="append", metavar="URL", help="a server of the bus; may be repeated")
    result.add_argument("--monitor", metavar="URL", help="a server's monitoring port, to check its own settings")
    result.add_argument("--nkey-seed", type=Path, metavar="FILE", help="the NKEY seed to connect with")
    result.add_argument("--prefix", help="first token of every subject (default: virtbus)")
    result.add_argument("--replicas", type=int, help="replicas of the streams that are made")
    verbs = result.add_subparsers(dest="verb", required=True)
    verbs.add_parser("setup", help="make the streams and buckets that are missing")
    verbs.add_parser("check", help="say what the running server has weaker than it should; exit code 1 if anything")
    users = verbs.add_parser("users", help="print the server's authorization block, making missing keys")
    users.add_argument("--keys", type=Path, default=Path("/etc/virtbus/keys"), metavar="DIR",
                       help="where the seeds lie, a file NAME.nk each (default: /etc/virtbus/keys)")  # fmt: skip
    users.add_argument("--gateway", action="append", default=[], metavar="NAME")
    users.add_argument("--reader", action="append", default=[], metavar="NAME", help="a consumer of events")
    users.add_argument("--worker", action="append", default=[], metavar="NAME=HOST,HOST...")
    return result


def main(argv: Sequence[str]) -> int:
    """Do what is asked; returns the exit code."""
    arguments = parser().parse_args(argv)
    flags: dict[str, Any] = {
        "servers": arguments.nats, "nkey_seed": arguments.nkey_seed, "prefix": arguments.prefix,
        "replicas": arguments.replicas, "monitor": arguments.monitor,
    }  # fmt: skip
    try:
        settings = load(CommandSettings, BUS_ENVIRONMENT, file=arguments.config, flags={"bus": flags}).bus
        if arguments.verb == "users":
            print(_users(arguments, Subjects(settings.prefix)), end="")
            return 0
        findings = asyncio.run(_findings(settings))
    except (VirtbusError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for finding in findings:
        print(f"weak: {finding}")
    print("the bus is set up" if not findings else f"{len(findings)} settings are weaker than they should be")
    return 1 if findings and arguments.verb == "check" else 0


async def _findings(settings: BusSettings) -> list[str]:
    bus = await Bus.connect(settings, role="gateway", name="setup")
    await bus.close()
    return bus.findings


def _users(arguments: argparse.Namespace, subjects: Subjects) -> str:
    rights: dict[str, Rights] = {"setup": setup_rights()}
    rights |= {name: gateway_rights(subjects, name) for name in arguments.gateway}
    rights |= {name: reader_rights(subjects, name) for name in arguments.reader}
    for text in arguments.worker:
        name, _, hosts = text.partition("=")
        rights[name] = worker_rights(subjects, name, hosts.split(","))
    users = []
    for name, granted in rights.items():
        seed = arguments.keys / f"{name}.nk"
        write_seed(seed)
        users.append(BusUser(name, public_key(seed), granted))
    return authorization(users)
