"""`virtbus xml`: libvirt's documents in files, without a server."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from virtbus.cli.view import printable
from virtbus.domain import Domain, complete
from virtbus.domain.status import Status
from virtbus.errors import NotSupported, VirtbusError, XmlError
from virtbus.xml import Element, Form
from virtbus.xmltool import argv, document
from virtbus.xmltool.difference import differences
from virtbus.xmltool.parser import parser
from virtbus.xmltool.source import STDIN, Source
from virtbus.xmltool.validation import findings, load_schema, of_error, read

SAME, DIFFERENT, TROUBLE = 0, 1, 2
"""Exit codes, as those of diff(1)."""

BUILDERS = "virtbus.argv"
"""The entry points that make command lines, each named by a domain's type."""


def main(argv: Sequence[str]) -> int:
    """Run `virtbus xml`; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        return VERBS[arguments.verb](arguments)
    except BrokenPipeError:
        # Whoever reads has seen enough; nothing more may be written, not even when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DIFFERENT
    except (VirtbusError, OSError) as error:
        print(f"error: {printable(error)}", file=sys.stderr)
        return TROUBLE


class Invalid(Exception):
    """A file is not what it should be; the message says where and why."""


def _read(source: Source) -> Element:
    """The model of a file.

    :raise Invalid: it is none.
    """
    try:
        return read(source)
    except VirtbusError as error:
        raise Invalid(str(of_error(source, error))) from None


def _refused(refusal: Invalid, code: int) -> int:
    print(f"error: {printable(refusal)}", file=sys.stderr)
    return code


def run_format(arguments: argparse.Namespace) -> int:
    """`virtbus xml format`."""
    if arguments.in_place and arguments.file == STDIN:
        print("error: --in-place needs a file (leave it out to print)", file=sys.stderr)
        return TROUBLE
    source = Source.open(arguments.file)
    try:
        model = _read(source)
    except Invalid as refusal:
        return _refused(refusal, DIFFERENT)
    if arguments.complete and isinstance(model, Domain):
        complete(model)
    form = Form.STATUS if isinstance(model, Status) else arguments.form
    if arguments.json:
        print(json.dumps(document.to_json(model, form, secure=arguments.secure), indent=2, ensure_ascii=False))
        return SAME
    text = model.format(form, secure=arguments.secure)
    if arguments.check:
        return SAME if source.content == text.encode() else DIFFERENT
    lost = source.comments() - Source("", text.encode()).comments()
    if arguments.in_place:
        return _replace(source, text, lost=0 if arguments.drop_comments else lost)
    if lost > 0:
        print(f"note: {lost} comments of {source.name} are left out", file=sys.stderr)
    sys.stdout.write(text)
    return SAME


def _replace(source: Source, text: str, *, lost: int) -> int:
    """Replace a file as a whole, so that no reader sees half of it."""
    if lost > 0:
        print(f"error: {source.name}: {lost} comments would be lost (--drop-comments allows it)", file=sys.stderr)
        return DIFFERENT
    path = Path(source.name).resolve()
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(path.stat().st_mode)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return SAME


def run_validate(arguments: argparse.Namespace) -> int:
    """`virtbus xml validate`."""
    schema = load_schema(arguments.schema) if arguments.schema else None
    code, told = SAME, []
    for name in arguments.files:
        try:
            source = Source.open(name)
        except OSError as error:
            print(f"error: {name}: {error.strerror}", file=sys.stderr)
            code = TROUBLE
            continue
        found = findings(source, schema)
        told += [finding.as_json() for finding in found]
        code = max(code, DIFFERENT if found else SAME)
        if arguments.json:
            continue
        for finding in found:
            print(printable(finding))
        if not found and not arguments.quiet:
            print(f"{source.name}: valid")
    if arguments.json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
    return code


def run_diff(arguments: argparse.Namespace) -> int:
    """`virtbus xml diff`."""
    try:
        ours, theirs = (_read(Source.open(name)) for name in (arguments.ours, arguments.theirs))
    except Invalid as refusal:
        return _refused(refusal, TROUBLE)
    if ours.element_tag != theirs.element_tag:
        raise XmlError(f"a <{ours.element_tag}> cannot be compared with a <{theirs.element_tag}>")
    found = differences(ours, theirs, arguments.form)
    if arguments.json:
        print(json.dumps([each.as_json() for each in found], indent=2, ensure_ascii=False))
    else:
        for each in found:
            print(printable(each))
    return DIFFERENT if found else SAME


def run_to_argv(arguments: argparse.Namespace) -> int:
    """`virtbus xml to-argv`."""
    source = Source.open(arguments.file)
    try:
        domain = _read(source)
        if not isinstance(domain, Domain):
            raise Invalid(f"{source.name}: <{domain.element_tag}> is no domain")
        words = _builder(domain.type)(domain, arguments.capabilities)
    except Invalid as refusal:
        return _refused(refusal, DIFFERENT)
    except VirtbusError as error:
        return _refused(Invalid(str(of_error(source, error))), DIFFERENT)
    print(json.dumps(words, indent=2, ensure_ascii=False) if arguments.json else argv.shell(words))
    return SAME


def _builder(kind: str) -> Callable[[Domain, Path | None], list[str]]:
    """What makes the command lines of domains of a type."""
    found = tuple(entry_points(group=BUILDERS, name=kind))
    if not found:
        known = ", ".join(sorted({each.name for each in entry_points(group=BUILDERS)})) or "none"
        raise NotSupported(f"domains of type '{kind}' have no command line", hint=f"types that have one here: {known}")
    try:
        return cast("Callable[[Domain, Path | None], list[str]]", found[0].load())
    except ImportError as error:
        raise NotSupported(
            f"what makes the command lines of '{kind}' is not installed: {error}", hint="pip install 'virtbus[all]'"
        ) from None


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "format": run_format,
    "validate": run_validate,
    "to-argv": run_to_argv,
    "diff": run_diff,
}
