"""The runtime folder: what a later worker finds in it, and who may act on it."""

from __future__ import annotations

import stat
from pathlib import Path
from uuid import UUID

import pytest

from virtbus.errors import InvalidArgument
from virtbus_qemu.folder import HostFolder, Started
from virtbus_qemu.process import Identity

UUID_ONE = UUID("11111111-1111-4111-8111-111111111111")


def test_what_is_written_is_read_back(host: HostFolder) -> None:
    folder = host.domain(UUID_ONE)
    folder.create()
    started = Started(Identity(42, 4711), "job-1")
    folder.write_definition("<domain/>")
    folder.write_process(started)
    folder.write_state({"destroyed": True})
    again = host.domain(UUID_ONE)
    assert (again.read_definition(), again.read_process(), again.read_state()) == (
        "<domain/>",
        started,
        {"destroyed": True},
    )


def test_an_empty_folder_remembers_nothing(host: HostFolder) -> None:
    folder = host.domain(UUID_ONE)
    folder.create()
    assert (folder.read_definition(), folder.read_process(), folder.read_state()) == (None, None, {})
    assert folder.last_words() == []


def test_a_new_life_keeps_only_the_log(host: HostFolder) -> None:
    folder = host.domain(UUID_ONE)
    folder.create()
    folder.write_state({"old": 1})
    folder.log.write_text("one\ntwo\nthree\n")
    folder.create()
    assert folder.read_state() == {}
    assert folder.last_words(2) == ["two", "three"]


def test_nobody_else_may_look_into_it(host: HostFolder) -> None:
    folder = host.domain(UUID_ONE)
    folder.create()
    folder.listen().close()
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.monitor.stat().st_mode) == 0o600


def test_the_folders_that_exist_are_listed(host: HostFolder) -> None:
    assert host.domains() == []
    host.domain(UUID_ONE).create()
    (host.path / "lock").touch()
    assert [folder.uuid for folder in host.domains()] == [UUID_ONE]
    host.domain(UUID_ONE).remove()
    assert host.domains() == []


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="shorter run directory"):
        HostFolder(tmp_path / ("x" * 80)).domain(UUID_ONE).create()
