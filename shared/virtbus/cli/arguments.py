"""What a verb takes on the command line, as data: for argparse, help, completion, and the operation's fields alike."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

KIBIBYTES = {
    "": 1024, "b": 1, "bytes": 1,
    "k": 1024, "kib": 1024, "kb": 1000,
    "m": 1024**2, "mib": 1024**2, "mb": 1000**2,
    "g": 1024**3, "gib": 1024**3, "gb": 1000**3,
    "t": 1024**4, "tib": 1024**4, "tb": 1000**4,
}  # fmt: skip
"""Bytes of each unit, as virsh's "scaled integers" have them: K and KiB are 1024, KB is 1000; none means KiB."""


def kibibytes(word: str) -> int:
    """A size in KiB, rounded up.

    :raises argparse.ArgumentTypeError: it is no number with a unit of virsh's.
    """
    match = re.fullmatch(r"(\d+)\s*([a-z]*)", word.strip().lower())
    if match is None or match[2] not in KIBIBYTES:
        raise argparse.ArgumentTypeError(f"{word!r} is no size; for instance 524288, 512M or 2GiB")
    return -(-int(match[1]) * KIBIBYTES[match[2]] // 1024)


def seconds(word: str) -> float:
    """A time in seconds.

    :raises argparse.ArgumentTypeError: it is no positive number.
    """
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 < value < 10**7:
        raise argparse.ArgumentTypeError(f"{word!r} is no time in seconds")
    return value


@dataclass(frozen=True)
class Argument:
    """A positional, or an option with its names.

    `field` is the operation's field that it fills; None where the verb's own code reads it.
    """

    names: tuple[str, ...]
    help: str
    field: str | None = None
    parse: Callable[[str], Any] | None = None
    nargs: str | int | None = None
    action: str | None = None
    const: Any = None
    choices: tuple[str, ...] | None = None
    default: Any = None
    metavar: str | None = None
    complete: str | None = None
    """What completes it: a name in virtbus.cli.completion.COMPLETERS."""

    @property
    def destination(self) -> str:
        """Its attribute among the parsed arguments."""
        return self.names[-1].lstrip("-").replace("-", "_")

    @property
    def positional(self) -> bool:
        return not self.names[0].startswith("-")

    def add_to(self, parser: argparse.ArgumentParser, *, suppress: bool = False) -> None:
        """Declare it to argparse.

        :param suppress: have no default, so that what another parser has found stays.
        """
        given = {
            "type": self.parse, "nargs": self.nargs, "action": self.action, "const": self.const,
            "choices": self.choices, "metavar": self.metavar,
        }  # fmt: skip
        options = {name: value for name, value in given.items() if value is not None}
        if suppress or self.action in (None, "append"):
            options["default"] = argparse.SUPPRESS if suppress else self.default
        if self.positional:
            options.setdefault("metavar", self.destination.upper())
        else:
            options["dest"] = self.destination
        added = parser.add_argument(*self.names, help=self.help, **options)
        if self.complete is not None:
            # argcomplete's own protocol: the completer is an attribute of the action.
            vars(added)["completer"] = _completer(self.complete)


def _completer(name: str) -> Callable[..., list[str]]:
    def complete(prefix: str, **context: Any) -> list[str]:
        from virtbus.cli.completion import COMPLETERS

        return COMPLETERS[name](prefix)

    return complete


def positional(name: str, text: str, field: str | None = None, **more: Any) -> Argument:
    """A word that stands for itself."""
    return Argument((name,), text, field, **more)


def option(name: str, text: str, field: str | None = None, **more: Any) -> Argument:
    """`--name VALUE`."""
    return Argument((name,), text, field, **more)


def flag(name: str, text: str, field: str | None = None) -> Argument:
    """`--name`, which is true where it stands."""
    return Argument((name,), text, field, action="store_true")


DOMAIN = positional("domain", "NAME, UUID or HOST/NAME", complete="domains")
HOST = positional("host", "a host of the fleet; may be left out where there is only one", nargs="?", complete="hosts")
ON_HOST = option("--host", "the host; may be left out where there is only one", complete="hosts")
FILE = positional("file", "a file with libvirt's XML; - reads standard input", "xml")
ALIAS = positional("alias", "the device's alias, as `virtbus devices` shows it", "alias")
JOB = positional("job", "the job's id", "job", complete="jobs")
AFFECT = (
    flag("--live", "change the running domain"),
    flag("--config", "change the persistent definition; with --live: both"),
    flag("--current", "change the running domain, or the definition of one that is off (default)"),
)
EVERYWHERE = (
    Argument(("--json",), "print the answer as JSON", action="store_true"),
    Argument(("--url",), "the gateway's URL (VIRTBUS_URL)", metavar="URL"),
    Argument(("--token-file",), "a file with the token (VIRTBUS_TOKEN_FILE)", metavar="FILE"),
    Argument(("--timeout",), "time limit in seconds: of the job, or of the question", parse=seconds, metavar="SECONDS"),
    Argument(("--no-wait",), "print the job's id at once and leave it; exit code 4", action="store_true"),
    Argument(("-q", "--quiet"), "say only what was asked for", action="store_true"),
)
"""Options that stand before or after any verb."""
