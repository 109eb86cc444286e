"""The units: systemd reads them without a complaint, they confine what needs no rights, and they fit the programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest

from virtbus.bus.command import CommandSettings as BusCommandSettings
from virtbus.config import load
from virtbus.doctor import Place
from virtbus.worker.command import CommandSettings as WorkerCommandSettings
from virtbus.worker.command import build
from virtbus_gateway.settings import GatewaySettings

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
BIN = "/usr/lib/virtbus/bin/"
INSTANCES = ("qemu", "esx")
"""A family of this machine, and one whose hypervisors are remote."""
EXPOSURE = {"virtbus-nats": 1.5, "virtbus-setup": 1.5, "virtbus-gateway": 1.5, "virtbus-worker@esx": 1.5}
"""The most that `systemd-analyze security` may count, of 10, for what needs no rights."""


class Unit(RawConfigParser):
    """A unit's file; of what is said several times the last counts here."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
        self.read_string(path.read_text())

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units as they are installed, with instances of the template, and the programs where they are here."""
    root = tmp_path_factory.mktemp("root")
    subprocess.run([FOLDER / "install", root], check=True)
    folder = root / "usr/lib/systemd/system"
    programs = Path(sys.executable).parent
    for path in folder.glob("*.service"):
        path.write_text(path.read_text().replace(BIN, f"{programs}/"))
    for name in INSTANCES:
        shutil.copy(folder / "virtbus-worker@.service", folder / f"virtbus-worker@{name}.service")
    return folder


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Ask systemd-analyze, which the package systemd has."""
    return subprocess.run(
        ["systemd-analyze", *map(str, words)], capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {"SYSTEMD_COLORS": "0", "SYSTEMD_EMOJI": "0"},
    )  # fmt: skip


def test_systemd_reads_every_unit_without_a_complaint(units: Path) -> None:
    files = sorted(path for path in units.iterdir() if path.is_file())
    assert len(files) >= 5 + len(INSTANCES)
    done = analyze("verify", *files)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_wrong_unit_would_be_noticed(units: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "virtbus-gateway.service"
    wrong.write_text((units / "virtbus-gateway.service").read_text().replace("WatchdogSec=10", "WatchdogSec=often"))
    assert "often" in analyze("verify", wrong).stderr


@pytest.mark.parametrize("unit", EXPOSURE)
def test_what_needs_no_rights_has_none(units: Path, unit: str) -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE[unit] * 10:.0f}", units / f"{unit}.service")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


@pytest.mark.parametrize("name", ["virtbus-gateway.service", "virtbus-worker@.service"])
def test_what_speaks_to_its_supervisor_is_watched(name: str) -> None:
    service = Unit(FOLDER / name)["Service"]
    assert service["Type"] == "notify"
    assert 0 < int(service["WatchdogSec"]) <= 10
    # A frozen process handles no signal, and a core of it helps nobody.
    assert service["WatchdogSignal"] == "SIGKILL"
    assert service["Restart"] == "always"


def test_a_domain_does_not_die_with_its_worker() -> None:
    unit = Unit(FOLDER / "virtbus-worker@.service")["Service"]
    assert (unit["KillMode"], unit["OOMPolicy"], unit["RuntimeDirectoryPreserve"]) == ("process", "continue", "yes")
    assert "PrivateTmp" not in unit
    settings = tomllib.loads((FOLDER / "etc" / "worker-qemu.toml").read_text())
    words = settings["options"]["launcher"].split()
    assert words[:2] == ["systemd-run", "--scope"]
    assert (FOLDER / next(word for word in words if word.startswith("--slice=")).partition("=")[2]).is_file()


@pytest.mark.parametrize(
    ("name", "model"),
    [("gateway", GatewaySettings), ("setup", BusCommandSettings), ("worker-qemu", WorkerCommandSettings)],
)
def test_the_first_settings_are_settings(name: str, model: Any) -> None:
    file = FOLDER / "etc" / f"{name}.toml"
    settings = load(model, {}, file=file)
    assert settings.bus.servers
    assert load(Place, {}, file=file).bus == settings.bus


def test_the_first_settings_of_a_worker_make_a_worker(tmp_path: Path) -> None:
    settings = load(WorkerCommandSettings, {}, file=FOLDER / "etc" / "worker-qemu.toml")
    assert build("qemu", settings.model_copy(update={"run_dir": tmp_path})) is not None


def test_the_units_call_commands_that_there_are() -> None:
    for path in FOLDER.glob("*.service"):
        for line in re.findall(rf"^ExecStart={BIN}virtbus (.*)$", path.read_text(), re.MULTILINE):
            words = line.replace("%i", "qemu").replace("${CREDENTIALS_DIRECTORY}", "/dir").split()
            done = subprocess.run(
                [sys.executable, "-m", "virtbus", *words, "--help"],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr


def test_the_server_reads_its_settings(tmp_path: Path) -> None:
    text = (FOLDER / "etc" / "nats-server.conf").read_text()
    (tmp_path / "nats-server.conf").write_text(text.replace("/var/lib/virtbus-nats", str(tmp_path / "store")))
    made = subprocess.run(
        [sys.executable, "-m", "virtbus", "bus", "users", "--keys", tmp_path / "keys", "--gateway", "gateway",
         "--worker", "worker_qemu=kvm1"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    (tmp_path / "users.conf").write_text(made.stdout)
    server = Path(sys.executable).parent / "nats-server"
    done = subprocess.run(
        [server, "-t", "-c", tmp_path / "nats-server.conf"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_users_and_folders_are_those_of_the_units() -> None:
    users = {line.split()[1] for line in (FOLDER / "sysusers.conf").read_text().splitlines() if line.startswith("u ")}
    named = {value for path in FOLDER.glob("*.service") if (value := Unit(path)["Service"].get("User"))}
    assert named == users
    rows = [line.split() for line in (FOLDER / "tmpfiles.conf").read_text().splitlines() if line.startswith("d ")]
    assert {row[1] for row in rows} == {"/etc/virtbus", "/etc/virtbus/keys", "/run/virtbus", "/var/lib/virtbus"}
    assert next(row[2] for row in rows if row[1] == "/etc/virtbus/keys") == "0700"


def test_installing_again_keeps_settings(tmp_path: Path) -> None:
    subprocess.run([FOLDER / "install", tmp_path], check=True)
    mine = tmp_path / "etc/virtbus/gateway.toml"
    mine.write_text("# mine\n")
    subprocess.run([FOLDER / "install", tmp_path], check=True)
    assert mine.read_text() == "# mine\n"
