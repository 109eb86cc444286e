"""The table of verbs equals the declarations, and reading it needs nothing heavy."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib import import_module

import pytest

from virtbus.cli.arguments import AFFECT, DOMAIN, HOST, kibibytes
from virtbus.cli.parser import EXIT_CODES, overview
from virtbus.cli.render import DONE, VIEWS
from virtbus.cli.verbs import GENERIC, JOB_STATES, SERVICE_COMMANDS, STAT_GROUPS, STATES, VERBS, Verb
from virtbus.operations import OPERATIONS, Kind
from virtbus.operations.statistics import Group
from virtbus.records import JobState
from virtbus.state import DomainState

HEAVY = ["pydantic", "httpx", "rich", "lxml", "asyncio", "virtbus.operations"]
WITH_OPERATION = [verb for verb in VERBS if verb.operation]


def names(verbs: list[Verb]) -> list[str]:
    return [verb.name for verb in verbs]


def test_every_declared_verb_is_in_the_table() -> None:
    declared = {(operation.verb, name) for name, operation in OPERATIONS.items() if operation.verb}
    assert declared <= {(verb.name, verb.operation) for verb in VERBS}


def test_every_operation_is_reached_by_a_verb() -> None:
    assert set(OPERATIONS) - {verb.operation for verb in VERBS} == {"domain.labels"}


@pytest.mark.parametrize("verb", WITH_OPERATION, ids=names(WITH_OPERATION))
def test_a_verbs_arguments_are_fields_of_its_operation(verb: Verb) -> None:
    declared = OPERATIONS[verb.operation or ""]
    fields = {argument.field for argument in verb.arguments if argument.field}
    assert fields <= set(declared.model_fields)
    given = fields | ({"host", "domain"} if DOMAIN in verb.arguments else {"host"})
    required = {name for name, field in declared.model_fields.items() if field.is_required()}
    if verb.code == GENERIC:
        assert required <= given
        assert ("affect" in declared.model_fields) == (set(AFFECT) <= set(verb.arguments))
        assert (HOST in verb.arguments) <= ("host" in declared.model_fields)


@pytest.mark.parametrize("verb", WITH_OPERATION, ids=names(WITH_OPERATION))
def test_a_verbs_outcome_can_be_shown(verb: Verb) -> None:
    declared = OPERATIONS[verb.operation or ""]
    if declared.kind is Kind.JOB:
        assert verb.operation in DONE
    elif verb.code == GENERIC:
        assert declared.result in VIEWS


@pytest.mark.parametrize("verb", VERBS, ids=names(list(VERBS)))
def test_a_verbs_code_is_there(verb: Verb) -> None:
    module, _, name = verb.code.partition(":")
    assert callable(getattr(import_module(f"virtbus.cli.{module}"), name))
    assert verb.help.endswith(".")


def test_a_verbs_words_do_not_collide() -> None:
    for verb in VERBS:
        destinations = [argument.destination for argument in verb.arguments]
        assert len(set(destinations)) == len(destinations), verb.name


def test_its_choices_are_libvirts() -> None:
    assert list(DomainState) == list(STATES)
    assert list(JobState) == list(JOB_STATES)
    assert list(Group) == list(STAT_GROUPS)


def test_the_overview_names_everything() -> None:
    text = overview()
    words = [row.name for row in (*VERBS, *SERVICE_COMMANDS)]
    assert [word for word in words if f"  {word} " not in text] == []
    assert all(f"  {code} " in text for code in EXIT_CODES)


@pytest.mark.parametrize(
    "words", [["--help"], ["start", "--help"], ["help", "job"], ["--version"], ["start"], ["no-such-verb"]], ids=str
)
def test_help_and_usage_errors_load_nothing_heavy(words: list[str]) -> None:
    assert loaded(words, {}) == []


@pytest.mark.parametrize("line", ["virtbus st", "virtbus start --", "virtbus job ", "virtbus list --state "])
def test_completion_loads_nothing_heavy(line: str) -> None:
    found = {
        "_ARGCOMPLETE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_STDOUT_FILENAME": os.devnull,
    }
    assert loaded([], found) == []


def loaded(words: list[str], environment: dict[str, str]) -> list[str]:
    """Which heavy modules a run of the program imports, on top of what the interpreter has at its start."""
    code = (
        "import sys, os, json\n"
        "before = set(sys.modules)\n"
        "from virtbus.cli.main import main\n"
        "def tell(*ignored):\n"
        f"    print(json.dumps(sorted(set({HEAVY}) & (set(sys.modules) - before))), file=sys.stderr, flush=True)\n"
        "os._exit = lambda code: sys.exit(code)\n"
        "try:\n"
        f"    main({words})\n"
        "finally:\n"
        "    tell()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        env=os.environ | environment,
        check=False,
    )
    found: list[str] = json.loads(ended.stderr.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("word", "size"),
    [
        ("524288", 524288),
        ("512M", 524288),
        ("512MiB", 524288),
        ("2GiB", 2097152),
        ("1kb", 1),
        ("1025b", 2),
        ("1GB", 976563),
    ],
)
def test_sizes_have_virshs_units(word: str, size: int) -> None:
    assert kibibytes(word) == size


@pytest.mark.parametrize("word", ["", "x", "-1", "1.5G", "1Q"])
def test_what_is_no_size_is_refused(word: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        kibibytes(word)
