"""Where a client finds its gateway and token."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from virtbus.client import Client, config
from virtbus.client.config import ClientConfig, NotConfigured, default_state_dir, load
from virtbus.errors import InvalidArgument


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is configured yet."""
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), "VIRTBUS_STATE_DIR": str(tmp_path / "state")}


def write_user_file(places: dict[str, str], text: str) -> None:
    path = config.client_file(places)
    path.parent.mkdir(parents=True)
    path.write_text(text)


def write_ready(places: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-up\n")
    state = Path(places["VIRTBUS_STATE_DIR"])
    state.mkdir()
    (state / "ready.json").write_text(
        json.dumps({"http": "http://up", "token_file": str(tmp_path / "token"), "pids": {}})
    )


def test_the_callers_words_go_first(places: dict[str, str]) -> None:
    places |= {"VIRTBUS_URL": "http://env", "VIRTBUS_TOKEN": "of-env"}
    assert load("http://given/", "mine", environ=places) == ClientConfig("http://given", "mine")
    assert load("http://given", environ=places) == ClientConfig("http://given", "of-env")
    assert load(environ=places) == ClientConfig("http://env", "of-env")


def test_a_token_file_is_read(places: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "t").write_text("secret\n")
    places |= {"VIRTBUS_URL": "http://env", "VIRTBUS_TOKEN_FILE": str(tmp_path / "t")}
    assert load(environ=places).token == "secret"
    with pytest.raises(NotConfigured, match="No such file"):
        load(token_file=str(tmp_path / "missing"), environ=places)


def test_the_users_file_goes_before_this_machines_own(places: dict[str, str], tmp_path: Path) -> None:
    write_ready(places, tmp_path)
    assert load(environ=places) == ClientConfig("http://up", "of-up")
    write_user_file(places, 'url = "http://file"\ntoken = "of-file"\n')
    assert load(environ=places) == ClientConfig("http://file", "of-file")
    assert load("http://up", environ=places).token == "of-up", "the token belongs to the URL"


def test_a_files_token_is_not_sent_elsewhere(places: dict[str, str], tmp_path: Path) -> None:
    write_ready(places, tmp_path)
    write_user_file(places, 'url = "http://file"\ntoken = "of-file"\n')
    assert load("http://elsewhere", environ=places) == ClientConfig("http://elsewhere", None)


@pytest.mark.parametrize("text", ["url = ", ""])
def test_nothing_usable_is_said_so(places: dict[str, str], text: str) -> None:
    write_user_file(places, text)
    with pytest.raises(NotConfigured):
        load(environ=places)


def test_the_client_says_it_as_a_typed_error(places: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in places.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("VIRTBUS_URL", raising=False)
    with pytest.raises(InvalidArgument, match="virtbus up"):
        Client()


def test_the_state_directory_depends_on_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_state_dir({"XDG_STATE_HOME": "/x"}) == Path("/var/lib/virtbus")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert default_state_dir({"XDG_STATE_HOME": "/x"}) == Path("/x/virtbus")
    assert default_state_dir({}) == Path.home() / ".local/state/virtbus"
    assert default_state_dir({"VIRTBUS_STATE_DIR": "/s"}) == Path("/s")


def test_reading_the_configuration_needs_nothing_heavy() -> None:
    code = "import sys, virtbus.client.config; print({'httpx', 'pydantic'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
