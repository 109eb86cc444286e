"""The gateway's settings: where they come from, which source is stronger, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from virtbus.bus.settings import BusSettings
from virtbus.errors import InvalidArgument
from virtbus_gateway.settings import ENVIRONMENT, GatewaySettings, load_settings

FILE = """http = "0.0.0.0:1"
name = "file"
heartbeat = 3
[bus]
servers = ["nats://file"]
replicas = 3
"""


def test_flags_are_stronger_than_the_environment_and_that_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(FILE)
    environment = {"VIRTBUS_HTTP": "127.0.0.1:2", "VIRTBUS_NATS": "nats://a,nats://b", "VIRTBUS_NAME": "environment"}
    flags = {"http": "[::1]:3", "name": None, "bus": {"prefix": "lab"}}
    settings = load_settings(file, environment, flags)
    assert settings.address == ("::1", 3)
    assert settings.name == "environment"
    assert settings.heartbeat == 3
    assert (settings.bus.servers, settings.bus.replicas, settings.bus.prefix) == (["nats://a", "nats://b"], 3, "lab")


def test_the_bus_may_be_given_as_its_own_settings() -> None:
    assert load_settings(None, {}, {"bus": BusSettings(prefix="lab")}).bus.prefix == "lab"


def test_every_variable_is_a_setting() -> None:
    for place in ENVIRONMENT.values():
        fields: Any = GatewaySettings.model_fields if len(place) == 1 else BusSettings.model_fields
        assert place[-1] in fields, place


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"VIRTBUS_HTTP": "nowhere"}, "http"),
        ({"VIRTBUS_TLS_CERT": "/cert.pem"}, "go together"),
        ({"VIRTBUS_REPLICAS": "many"}, "bus.replicas"),
        ({"VIRTBUS_METRICS_DEADLINE": "0"}, "metrics_deadline"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(environment: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        load_settings(None, environment)


@pytest.mark.parametrize("text", ["colour = 'red'", "not toml", "[bus]\ncolour = 1"])
def test_a_file_with_something_unknown_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    with pytest.raises(InvalidArgument):
        load_settings(file, {})


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument):
        load_settings(tmp_path / "none.toml", {})
