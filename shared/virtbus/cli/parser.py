"""argparse, and the help that is grouped as virsh groups it, from the table of verbs."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from virtbus.cli.arguments import EVERYWHERE
from virtbus.cli.verbs import SERVICE_COMMANDS, SERVICES, VERBS, Verb

EXIT_CODES = {
    0: "done",
    1: "refused, or failed",
    2: "wrong usage",
    3: "no such host, domain, device or job",
    4: "the job is still running: --no-wait, or a time limit",
    5: "the gateway, or what it needs, cannot be reached",
    130: "interrupted",
}


class Parser(argparse.ArgumentParser):
    """A parser of this program: no abbreviations, and errors in the one form."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see: {self.prog} --help)\n")


class RootParser(Parser):
    """The program itself, whose help is the table."""

    def format_help(self) -> str:
        return overview()


def overview() -> str:
    """The help of the whole program."""
    lines = ["usage: virtbus [OPTIONS] VERB [ARGUMENTS]", "", "virsh's verbs over a fleet of hosts."]
    width = max(len(verb.name) for verb in VERBS)
    groups: dict[str, list[tuple[str, str]]] = {}
    for verb in VERBS:
        groups.setdefault(verb.group, []).append((verb.name, verb.help))
    groups[SERVICES] = [(service.name, service.help) for service in SERVICE_COMMANDS]
    for group, rows in groups.items():
        lines += ["", f"{group}:"] + [f"  {name:<{width}}  {text}" for name, text in rows]
    lines += ["", "Options, before or after any verb:"]
    for option in EVERYWHERE:
        words = ", ".join(option.names) + (f" {option.metavar}" if option.metavar else "")
        lines.append(f"  {words:<{width}}  {option.help}")
    lines += ["", "Exit codes:"] + [f"  {code:<{width}}  {meaning}" for code, meaning in EXIT_CODES.items()]
    lines += ["", "`virtbus VERB --help` shows a verb's arguments."]
    return "\n".join(lines) + "\n"


def build_parser() -> argparse.ArgumentParser:
    """The parser of every verb; `verb` among the parsed arguments is the table's row."""
    root = RootParser(prog="virtbus")
    _add_everywhere(root)
    root.add_argument("--version", action="store_true", help=argparse.SUPPRESS)
    words = root.add_subparsers(metavar="VERB", parser_class=Parser)
    subjects: dict[str, argparse._SubParsersAction[Parser]] = {}
    for verb in VERBS:
        subject, _, rest = verb.name.partition(" ")
        if not rest:
            _add_verb(words, verb.name, verb)
            continue
        if subject not in subjects:
            parent = words.add_parser(subject, help=f"{verb.group}.")
            subjects[subject] = parent.add_subparsers(metavar="VERB", required=True, parser_class=Parser)
        _add_verb(subjects[subject], rest, verb)
    for service in SERVICE_COMMANDS:
        command = words.add_parser(service.name, help=service.help, add_help=False)
        command.add_argument("words", nargs=argparse.REMAINDER)
        command.set_defaults(service=service.name)
    return root


def _add_verb(words: argparse._SubParsersAction[Parser], name: str, verb: Verb) -> None:
    parser = words.add_parser(name, help=verb.help, description=verb.help)
    for argument in verb.arguments:
        argument.add_to(parser)
    # What stood before the verb is not reset by the verb's own parser.
    _add_everywhere(parser, suppress=True)
    parser.set_defaults(verb=verb)


def _add_everywhere(parser: argparse.ArgumentParser, *, suppress: bool = False) -> None:
    for argument in EVERYWHERE:
        argument.add_to(parser, suppress=suppress)
