"""`virtbus`: from the words on the command line to a verb or a service, and to the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from virtbus.cli.parser import build_parser
from virtbus.cli.verbs import SERVICE_COMMANDS


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code (see `virtbus --help`).

    :param argv: the words after the program's name; None: those it was called with.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in {service.name for service in SERVICE_COMMANDS}:
        return _service(words[0], words[1:])
    if words and words[0] == "help":
        words = [*words[1:], "--help"]
    parser = build_parser()
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser, always_complete_options=False)
    try:
        arguments = parser.parse_args(words)
    except SystemExit as end:
        return int(end.code or 0)
    if arguments.version:
        from importlib.metadata import version

        print(version("virtbus"))
        return 0
    if "service" in arguments:
        return _service(arguments.service, arguments.words)
    if "verb" not in arguments:
        print(parser.format_help(), end="")
        return 2
    from virtbus.cli.execution import execute

    return execute(arguments.verb, arguments)


def _service(name: str, words: Sequence[str]) -> int:
    from virtbus.cli.services import run_service

    return run_service(name, words)


if __name__ == "__main__":
    sys.exit(main())
