"""What must always hold of the tree: sizes, words that do not belong here, documents that name what exists."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtbus import driver
from virtbus.driver import Facet
from virtbus.operations import OPERATIONS, Kind
from virtbus.worker.handlers import HANDLERS
from virtbus_gateway.reads import READS

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "shared/virtbus", "gateway/virtbus_gateway", "workers/qemu/virtbus_qemu", "workers/lxc/virtbus_lxc",
    "workers/xen/virtbus_xen", "workers/esx/virtbus_esx", "workers/hyperv/virtbus_hyperv",
    "workers/simulated/virtbus_simulated",
)  # fmt: skip
MOST_LINES = 500
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

# Written in pieces, so that this file does not have what it looks for.
FOREIGN = {
    "a package index": r"(https?://|index-url|@)[^\s\"']*(py" + r"pi\.|files\.python" + "hosted)",
    "a machine's path": r"(?<![\w.~/-])/(wo" + "rk/|ro" + r"ot/|home/\w)",
    "a note to do": r"\b(TO" + "DO|FIX" + "ME|XX" + r"X)\b",
    "a number of an issue": r"(?i)\bissue" + r" #?\d",
}
"""What no committed file contains."""


def committed() -> list[Path]:
    """The files of the repository, without what is ignored; all files where it is no repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    if listed.returncode != 0:
        hidden = {".venv", ".git", ".cache"}
        return [path for path in ROOT.rglob("*") if path.is_file() and not hidden & set(path.relative_to(ROOT).parts)]
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> Iterator[tuple[Path, str]]:
    for path in committed():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def modules() -> list[Path]:
    return [path for path in committed() if path.suffix == ".py"]


def test_no_module_is_too_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    assert len(lengths) > 100
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_every_module_of_the_packages_says_what_it_is() -> None:
    silent = []
    for path in modules():
        name = str(path.relative_to(ROOT))
        if name.startswith(PACKAGES) and not (ast.get_docstring(ast.parse(path.read_text())) or "").strip():
            silent.append(name)
    assert silent == []


@pytest.mark.parametrize("what", FOREIGN)
def test_no_file_names(what: str) -> None:
    pattern = re.compile(FOREIGN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("a package index", "--index-url https://" + "py" + "pi.example.org/simple"),
        ("a machine's path", "see /" + "work/notes"),
        ("a note to do", "# TO" + "DO: later"),
        ("a number of an issue", "as iss" + "ue 7 says"),
    ],
)
def test_what_does_not_belong_here_is_recognised(what: str, line: str) -> None:
    assert re.search(FOREIGN[what], line)


def test_the_walls_between_the_packages_are_checked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    linter = settings["tool"]["importlinter"]
    packages = {Path(name).name for name in PACKAGES}
    assert set(linter["root_packages"]) == packages
    assert {Path(name).name for name in settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]} == packages
    assert set(settings["tool"]["mypy"]["packages"]) == packages
    islands = next(contract for contract in linter["contracts"] if contract["type"] == "independence")
    assert set(islands["modules"]) == packages - {"virtbus"}
    shared = next(contract for contract in linter["contracts"] if contract.get("source_modules") == ["virtbus"])
    assert set(shared["forbidden_modules"]) == packages - {"virtbus"}
    assert "lint-imports" in (ROOT / "Makefile").read_text()


def test_every_operation_is_carried_out_somewhere() -> None:
    jobs = {name for name, operation in OPERATIONS.items() if operation.kind is Kind.JOB}
    assert set(HANDLERS) == jobs
    reads = {name for name, operation in OPERATIONS.items() if operation.kind is Kind.RECORD}
    assert set(READS) == reads
    answers = (ROOT / "shared/virtbus/worker/queries.py").read_text()
    for name, operation in OPERATIONS.items():
        if operation.kind is Kind.QUERY:
            assert f'"{name}"' in answers
        if operation.facet is not None:
            assert issubclass(getattr(driver, operation.facet), Facet)


@pytest.mark.parametrize("script", ["docs/errors.py", "docs/operations.py"])
def test_a_page_is_what_the_declarations_make(script: str) -> None:
    made = runpy.run_path(str(ROOT / script))
    assert made["FILE"].read_text(encoding="utf-8") == made["page"](), f"run: python {script}"


def named_in(text: str) -> Iterator[str]:
    """Paths in backticks; KEYS/NAME and the like stand for the reader's own."""
    for name in re.findall(r"`([\w./-]+/[\w./-]*|[\w-]+\.(?:py|md|toml|json))`", text):
        if not re.search(r"(^|/)[A-Z]+/", name):
            yield name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_documents_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_only_files_that_exist(document: Path) -> None:
    # A document may leave out the beginning of a path that its sentence has said before, and name what make writes.
    everything = {str(path.relative_to(ROOT)) for path in committed()}
    folders = {str(parent) for name in everything for parent in Path(name).parents}
    made = (ROOT / "Makefile").read_text()
    missing = []
    for name in named_in(document.read_text()):
        known = [place for place in everything | folders if f"/{place}".endswith(f"/{name.rstrip('/')}")]
        exists = known or (document.parent / name).exists() or name in made
        if not exists and not name.startswith("/"):
            missing.append(name)
    assert missing == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    named += [one for extra in project["project"]["optional-dependencies"].values() for one in extra]
    text = (ROOT / "ARCHITECTURE.md").read_text().partition("## Dependencies")[2]
    for requirement in named:
        name = re.split(r"[\[<>=; ]", requirement)[0]
        if name != "virtbus" and not name.startswith("pytest-"):
            assert re.search(rf"\b{re.escape(name)}\b", text), name


def test_every_environment_pins_what_it_installs() -> None:
    lines = (ROOT / "constraints.txt").read_text().split()
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!-]+", line)] == []
