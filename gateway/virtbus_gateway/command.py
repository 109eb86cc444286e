"""`virtbus gateway` and `virtbus token`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from virtbus.errors import VirtbusError
from virtbus_gateway.auth import Role, create_token, list_tokens, revoke_token
from virtbus_gateway.settings import load_settings


def parser() -> argparse.ArgumentParser:
    """The command line of `virtbus gateway`."""
    result = argparse.ArgumentParser(
        prog="virtbus gateway",
        description="Serve the fleet over HTTP. As many gateways as you like may run on one bus.",
        epilog="Settings also come from the environment (VIRTBUS_HTTP, VIRTBUS_NATS, VIRTBUS_NKEY_SEED, ...)"
        " and from a TOML file (--config).",
    )
    result.add_argument("--http", metavar="ADDR:PORT", help="where to listen (default: 127.0.0.1:8420)")
    result.add_argument("--token-file", type=Path, metavar="FILE", help="the tokens, as `virtbus token` keeps them")
    result.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML")
    result.add_argument("--name", help="this gateway's name on the bus (default: gateway)")
    result.add_argument("--nats", action="append", metavar="URL", help="a server of the bus; may be repeated")
    result.add_argument("--nkey-seed", type=Path, metavar="FILE", help="the NKEY seed of the gateway's bus user")
    result.add_argument("--prefix", help="first token of every subject (default: virtbus)")
    result.add_argument("--tls-cert", type=Path, metavar="FILE")
    result.add_argument("--tls-key", type=Path, metavar="FILE")
    result.add_argument("--metrics-open", action="store_true", default=None, help="/metrics needs no token")
    return result


def main(argv: Sequence[str]) -> int:
    """Run a gateway until SIGTERM; returns the exit code."""
    arguments = vars(parser().parse_args(argv))
    logging.basicConfig(
        level=os.environ.get("VIRTBUS_LOG", "INFO"), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    file = arguments.pop("config")
    bus = {"servers": arguments.pop("nats"), "nkey_seed": arguments.pop("nkey_seed"), "prefix": arguments.pop("prefix")}
    flags: dict[str, Any] = arguments | {"bus": bus}
    try:
        settings = load_settings(file, flags=flags)
        # The web framework is imported only now, so that a wrong flag is told at once.
        from virtbus_gateway.main import run

        run(settings)
    except (VirtbusError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _token_parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="virtbus token", description="Make, list and revoke the bearer tokens that gateways accept."
    )
    result.add_argument("--file", type=Path, default=Path("/etc/virtbus/tokens.json"),
                        help="the gateways' token file (default: /etc/virtbus/tokens.json)")  # fmt: skip
    verbs = result.add_subparsers(dest="verb", required=True)
    create = verbs.add_parser("create", help="make a token and print it; it is kept nowhere else")
    create.add_argument("name", help="whose it is: shown in the audit log")
    create.add_argument("--role", choices=[role.value for role in Role], default=Role.VIEWER.value)
    create.add_argument("--host", action="append", metavar="PATTERN", help="only for these hosts; may be repeated")
    create.add_argument("--project", action="append", metavar="PATTERN", help="only for these projects")
    create.add_argument("--output", type=Path, metavar="FILE", help="write the token there, mode 0600, not to stdout")
    verbs.add_parser("list", help="names, roles and scopes")
    verbs.add_parser("revoke", help="gateways refuse it from their next request on").add_argument("name")
    return result


def token(argv: Sequence[str]) -> int:
    """Make, list or revoke tokens; returns the exit code."""
    arguments = _token_parser().parse_args(argv)
    try:
        if arguments.verb == "create":
            _create(arguments)
        elif arguments.verb == "revoke":
            revoke_token(arguments.file, arguments.name)
        else:
            for entry in list_tokens(arguments.file):
                print(f"{entry.name:24} {entry.role:10} {','.join(entry.hosts)} {','.join(entry.projects)}")
    except (VirtbusError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _create(arguments: argparse.Namespace) -> None:
    made = create_token(
        arguments.file,
        arguments.name,
        arguments.role,
        hosts=tuple(arguments.host or ("*",)),
        projects=tuple(arguments.project or ("*",)),
    )
    if arguments.output is None:
        print(made)
        return
    with os.fdopen(os.open(arguments.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(made + "\n")
