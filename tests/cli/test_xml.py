"""`virtbus xml`: documents in files, without a server."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from virtbus.domain import Domain
from virtbus.errors import XmlError
from virtbus.xml import LIMIT
from virtbus.xmltool import document
from virtbus.xmltool.command import main

GOLDEN = Path(__file__).parents[1] / "domain" / "golden"
GUESTS = sorted(GOLDEN.glob("guests/*.xml"))

WEB = """<domain type='kvm'>
  <devices>
    <interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>
    <disk type='file' device='disk'>
      <source file='/images/a.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <graphics type='vnc' passwd='hush'/>
  </devices>
  <vcpu>1</vcpu>
  <memory unit='MiB'>512</memory>
  <name>web</name>
</domain>
"""
CANONICAL = """<domain type='kvm'>
  <name>web</name>
  <memory unit='KiB'>524288</memory>
  <vcpu>1</vcpu>
  <devices>
    <disk type='file' device='disk'>
      <source file='/images/a.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='user'>
      <mac address='52:54:00:00:00:01'/>
      <model type='virtio'/>
    </interface>
    <graphics type='vnc' passwd='hush'/>
  </devices>
</domain>
"""
SNAPSHOT = "<domainsnapshot>\n  <name>before</name>\n  <description>the update</description>\n</domainsnapshot>\n"
SCHEMA = """<grammar xmlns="http://relaxng.org/ns/structure/1.0"><start>
  <element name="domain"><attribute name="type"/><element name="name"><text/></element></element></start></grammar>"""

Put = Callable[[str, str], str]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write a file; returns its path."""

    def write(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    output = capsys.readouterr()
    return code, output.out, output.err


# ---- format ----


def test_format_writes_libvirts_order_and_layout(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "format", put("web.xml", WEB)) == (0, CANONICAL, "")


@pytest.mark.parametrize("path", GUESTS, ids=lambda path: path.name)
def test_what_was_formatted_is_formatted(path: Path, put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    _, once, _ = run(capsys, "format", str(path))
    assert run(capsys, "format", put("once.xml", once)) == (0, once, "")
    assert run(capsys, "format", "--check", put("once.xml", once)) == (0, "", "")


def test_check_tells_what_is_not_formatted_yet(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "format", "--check", put("web.xml", WEB)) == (1, "", "")


def test_a_definition_has_nothing_of_a_running_domain(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    live = put("live.xml", "<domain type='kvm' id='3'><name>a</name></domain>")
    assert "id='3'" in run(capsys, "format", live)[1]
    assert "id='3'" in run(capsys, "format", "--live", live)[1]
    assert "id='3'" not in run(capsys, "format", "--inactive", live)[1]
    assert "id='3'" not in run(capsys, "format", "--migratable", live)[1]


def test_passwords_are_kept_unless_told_otherwise(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    assert "hush" in run(capsys, "format", put("web.xml", WEB))[1]
    assert "hush" not in run(capsys, "format", "--without-secrets", put("web.xml", WEB))[1]


def test_complete_fills_in_the_defaults(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    _, text, _ = run(capsys, "format", "--complete", put("web.xml", WEB))
    domain = Domain.parse(text)
    assert domain.uuid is not None
    assert domain.current_memory is not None


def test_in_place_replaces_the_file_and_keeps_its_mode(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(put("web.xml", WEB))
    path.chmod(0o640)
    assert run(capsys, "format", "--in-place", str(path)) == (0, "", "")
    assert path.read_text() == CANONICAL
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in path.parent.iterdir()] == ["web.xml"]


def test_comments_are_not_lost_in_silence(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    text = WEB.replace("<vcpu>", "<!-- enough --><vcpu>")
    path = put("web.xml", text)
    code, output, told = run(capsys, "format", path)
    assert (code, output) == (0, CANONICAL)
    assert "1 comments" in told
    code, _, told = run(capsys, "format", "--in-place", path)
    assert code == 1
    assert "--drop-comments" in told
    assert Path(path).read_text() == text
    assert run(capsys, "format", "--in-place", "--drop-comments", path)[0] == 0
    assert Path(path).read_text() == CANONICAL


def test_standard_input_is_a_file(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WEB.encode())))
    assert run(capsys, "format", "-") == (0, CANONICAL, "")
    assert run(capsys, "format", "--in-place", "-")[0] == 2


@pytest.mark.parametrize("text", [WEB, SNAPSHOT, "<disk type='file'><target dev='vda'/></disk>",
                                  "<cpu><arch>x86_64</arch></cpu>", "<cpu mode='host-model'/>"])  # fmt: skip
def test_json_and_back_is_the_same_document(text: str, put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    _, expected, _ = run(capsys, "format", put("a.xml", text))
    code, as_json, _ = run(capsys, "format", "--json", put("a.xml", text))
    assert code == 0
    assert run(capsys, "format", put("a.json", as_json)) == (0, expected, "")


def test_a_domain_as_json_is_what_the_gateway_takes(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    _, text, _ = run(capsys, "format", "--json", put("web.xml", WEB))
    assert json.loads(text) == Domain.parse(WEB).to_json(secure=True)


@pytest.mark.parametrize("root", document.ROOTS)
def test_no_field_of_a_document_is_named_as_what_says_its_kind(root: str) -> None:
    kind = document.ROOTS[root]
    for each in [kind, *kind.plan().variants.values()]:
        assert document.KIND not in each.plan().by_name


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": 1}', '{"kind": "toaster"}', '{"name": "a"}', "{" * 5000])
def test_json_that_is_no_document_is_refused(text: str, put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    code, output, told = run(capsys, "format", put("a.json", text))
    assert (code, output) == (1, "")
    assert "a.json" in told


# ---- validate ----


@pytest.mark.parametrize("path", GUESTS, ids=lambda path: path.name)
def test_a_good_document_is_valid(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "validate", str(path)) == (0, f"{path}: valid\n", "")
    assert run(capsys, "validate", "--quiet", str(path)) == (0, "", "")


WRONG = {
    "not well formed": ("<domain>\n  <name>a\n</domain>", 3, ""),
    "a document type": ("<!DOCTYPE domain [<!ENTITY a 'b'>]>\n<domain>&a;</domain>", 1, ""),
    "unknown root": ("<house/>", 1, "/house"),
    "unknown word": (WEB.replace("<vcpu>1</vcpu>", "<vpcu>1</vpcu>"), 10, "/domain/vpcu"),
    "value": (WEB.replace("bus='virtio'", "bus='bus'"), 6, "/domain/devices/disk/target/@bus"),
    "contradiction": (
        WEB.replace(
            "<graphics", "<disk type='file' device='disk'><source file='/a'/>\n<target dev='vda'/></disk><graphics"
        ),
        9,
        "/domain/devices/disk[2]/target/@dev",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_by_line_and_element(what: str, put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    text, line, path = WRONG[what]
    name = put("bad.xml", text)
    code, output, _ = run(capsys, "validate", name)
    assert code == 1
    assert output.startswith(f"{name}:{line}: {path}")
    code, output, _ = run(capsys, "validate", "--json", name)
    (found,) = json.loads(output)
    assert code == 1
    assert (found["file"], found["line"]) == (name, line)
    assert found["code"].startswith("VIR_ERR_")


def test_a_contradiction_is_told_where_the_file_has_it(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    # libvirt sorts disks, so that the second of the domain that is checked is the first of the file.
    place = "<address type='drive' controller='0' bus='0' target='0' unit='0'/>"
    disks = "".join(
        f"<disk type='file' device='disk'><source file='/a'/><target dev='{name}' bus='scsi'/>\n{place}</disk>\n"
        for name in ("sdb", "sda")
    )
    text = f"<domain type='kvm'><name>a</name><memory>1024</memory><devices>{disks}</devices></domain>"
    code, output, _ = run(capsys, "validate", put("bad.xml", text))
    assert code == 1
    assert "bad.xml:2: /domain/devices/disk[1]/address: " in output


def test_every_contradiction_is_told_and_every_file(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    twice = "<disk type='file' device='disk'><source file='/a'/><target dev='vda'/></disk>"
    text = f"<domain type='kvm'><name>a/b</name><memory>1024</memory><devices>{twice * 2}</devices></domain>"
    code, output, told = run(capsys, "validate", put("bad.xml", text), put("web.xml", WEB), "/nonexistent/x.xml")
    assert code == 2
    assert output.count("bad.xml:") == 2
    assert "web.xml: valid" in output
    assert "/nonexistent/x.xml" in told


def test_a_schema_that_is_given_is_held_against_it_too(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    rng = put("domain.rng", SCHEMA)
    small = put("small.xml", "<domain type='kvm'><name>a</name></domain>")
    assert run(capsys, "validate", "--schema", rng, small)[1] != ""
    code, output, _ = run(capsys, "validate", "--schema", rng, put("web.xml", WEB))
    assert code == 1
    assert "not by the schema" in output
    assert run(capsys, "validate", "--schema", put("no.rng", "<a/>"), small)[0] == 2
    assert run(capsys, "validate", "--schema", "/nonexistent", small)[0] == 2


def test_a_document_that_is_too_large_is_refused(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    for text in (f"<domain>{' ' * LIMIT}</domain>", f'{{"name": "{"x" * LIMIT}"}}'):
        code, output, _ = run(capsys, "validate", put("large.xml", text))
        assert code == 1
        assert str(LIMIT) in output


def test_no_control_character_of_a_document_reaches_the_terminal(put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    name = put("bad.xml", WEB.replace("type='vnc'", "type='\x9b2J'"))
    assert "\x9b" not in run(capsys, "validate", name)[1]
    assert "\x9b" not in run(capsys, "format", name)[2]


# ---- the program ----


def virtbus(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "virtbus", *words], capture_output=True, text=True, timeout=60, check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("VIRTBUS_")},
    )  # fmt: skip


def test_the_program_has_the_command(put: Put) -> None:
    assert virtbus("xml", "format", put("web.xml", WEB)).stdout == CANONICAL
    shown = virtbus("xml", "--help")
    assert shown.returncode == 0
    for verb in ("format", "validate", "to-argv", "diff"):
        assert verb in shown.stdout
    assert virtbus("xml").returncode == 2
    assert virtbus("xml", "validate").returncode == 2


def test_it_needs_neither_bus_nor_http_nor_a_hypervisors_package(put: Put) -> None:
    program = "import sys; from virtbus.xmltool.command import main; main(sys.argv[1:]);" \
        " print([name for name in ('nats', 'httpx', 'fastapi', 'virtbus_qemu') if name in sys.modules])"  # fmt: skip
    words = [sys.executable, "-c", program, "validate", "--quiet", put("web.xml", WEB)]
    assert subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout == "[]\n"


def test_a_document_of_no_known_kind_is_refused_with_a_near_name() -> None:
    with pytest.raises(XmlError) as refused:
        document.read("<domian/>")
    assert "domain" in (refused.value.hint or "")
