"""`virtbus xml to-argv`: the command line that a domain would be started with."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.qemu import invented
from tests.qemu.machines import EMULATOR
from virtbus.xmltool.argv import shell
from virtbus.xmltool.command import main

GOLDEN = Path(__file__).parents[1] / "qemu" / "golden"
SMALL = """<domain type='{0}'>
  <name>web</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='{1}' machine='q35'>hvm</type></os>
  <devices>{2}</devices>
</domain>
"""


@pytest.fixture
def recorded(tmp_path: Path) -> str:
    """A file with what an invented QEMU can do, as libvirt keeps it."""
    path = tmp_path / "capabilities.xml"
    path.write_text(invented.capabilities().digest.format())
    return str(path)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.xml"
    path.write_text(SMALL.format("qemu", "x86_64", ""))
    return path


def test_it_is_what_the_worker_would_start(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["to-argv", "--capabilities", recorded, str(GOLDEN / "minimal-q35.xml")]) == 0
    output = capsys.readouterr().out
    words = shlex.split((GOLDEN / "minimal-q35.argv").read_text())
    # JSON is quoted for a shell in the one, and stands as it is in the other.
    assert len(shlex.split(output.replace("\\\n", " "))) == len(words)
    lines = [" ".join(shlex.split(line)) for line in output.replace("\\\n", "\n").splitlines()]
    assert "\n".join(lines) + "\n" == (GOLDEN / "minimal-q35.argv").read_text()


def test_as_json_it_is_a_list_of_the_same_words(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["to-argv", "--capabilities", recorded, str(GOLDEN / "minimal-q35.xml")]
    assert main(arguments) == 0
    quoted = shlex.split(capsys.readouterr().out.replace("\\\n", " "))
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == quoted


def test_the_qemu_of_this_machine_is_asked_once(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if EMULATOR is None:
        pytest.fail("QEMU is not installed (Debian: apt install qemu-system-x86)")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main(["to-argv", "--json", str(small)]) == 0
    words = json.loads(capsys.readouterr().out)
    assert words[0] == "/usr/bin/qemu-system-x86_64"
    assert "guest=web,debug-threads=on" in words
    (kept,) = (tmp_path / "cache" / "virtbus" / "capabilities").glob("*.xml")
    assert kept.read_text().startswith("<qemuCaps>")


def test_what_qemu_cannot_do_is_refused_where_it_stands(
    small: Path, recorded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    small.write_text(small.read_text().replace("x86_64", "vax"))
    assert main(["to-argv", "--capabilities", recorded, str(small)]) == 1
    assert f"{small}:4: /domain/os/type/@arch: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SMALL.format("lxc", "x86_64", ""), "type 'lxc'"),
        ("<cpu/>", "is no domain"),
        ("<domain>", "not well formed"),
        (SMALL.format("kvm", "x86_64", ""), "/domain/@type"),
        (SMALL.format("qemu", "vax", ""), "vax"),
    ],
)
def test_what_has_no_command_line_is_refused(
    text: str, words: str, small: Path, recorded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    small.write_text(text)
    assert main(["to-argv", "--capabilities", recorded, str(small)]) == 1
    assert words in capsys.readouterr().err


def test_capabilities_that_are_none_are_refused(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["to-argv", "--capabilities", str(small), str(small)]) == 1
    assert "qemuCaps" in capsys.readouterr().err
    assert main(["to-argv", "--capabilities", str(tmp_path / "nothing"), str(small)]) == 2


def test_an_option_stands_in_a_line_with_its_value_quoted() -> None:
    words = ["/usr/bin/qemu", "-S", "-name", "it's me", "-device", '{"a":1}', "-display", "none"]
    assert shell(words) == (
        "/usr/bin/qemu \\\n    -S \\\n    -name 'it'\"'\"'s me' \\\n    -device '{\"a\":1}' \\\n    -display none"
    )
