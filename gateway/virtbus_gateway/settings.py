"""The gateway's settings: from flags, else from VIRTBUS_* of the environment, else from a TOML file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from virtbus.bus.settings import BusSettings
from virtbus.errors import InvalidArgument


class GatewaySettings(BaseModel):
    """What a gateway is told."""

    model_config = ConfigDict(extra="forbid")

    http: Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):[0-9]{1,5}$")] = "127.0.0.1:8420"
    """Address and port to listen on; port 0 takes a free one."""
    token_file: Path = Path("/etc/virtbus/tokens.json")
    """The tokens; `virtbus token create` writes it."""
    bus: BusSettings = BusSettings()
    metrics_open: bool = False
    """Whether /metrics needs no token."""
    metrics_deadline: Annotated[float, Field(gt=0, le=60)] = 3.0
    """Seconds in which the hosts must answer a scrape; those that do not are shown as down."""
    metrics_hosts: Annotated[int, Field(ge=1)] = 64
    """How many hosts are asked side by side."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    event_queue: Annotated[int, Field(ge=1)] = 1000
    """Events that wait for a slow client before it is cut off."""
    heartbeat: Annotated[float, Field(gt=0)] = 15.0
    """Seconds after which a client that gets no event gets a comment."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "gateway"
    """Of the connection to the bus."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> GatewaySettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.http.rpartition(":")
        return host.strip("[]"), int(port)


ENVIRONMENT: dict[str, tuple[str, ...]] = {
    "VIRTBUS_HTTP": ("http",),
    "VIRTBUS_TOKEN_FILE": ("token_file",),
    "VIRTBUS_METRICS_OPEN": ("metrics_open",),
    "VIRTBUS_METRICS_DEADLINE": ("metrics_deadline",),
    "VIRTBUS_METRICS_HOSTS": ("metrics_hosts",),
    "VIRTBUS_TLS_CERT": ("tls_cert",),
    "VIRTBUS_TLS_KEY": ("tls_key",),
    "VIRTBUS_EVENT_QUEUE": ("event_queue",),
    "VIRTBUS_HEARTBEAT": ("heartbeat",),
    "VIRTBUS_NAME": ("name",),
    "VIRTBUS_NATS": ("bus", "servers"),
    "VIRTBUS_PREFIX": ("bus", "prefix"),
    "VIRTBUS_NKEY_SEED": ("bus", "nkey_seed"),
    "VIRTBUS_NATS_CA": ("bus", "tls_ca"),
    "VIRTBUS_NATS_CERT": ("bus", "tls_cert"),
    "VIRTBUS_NATS_KEY": ("bus", "tls_key"),
    "VIRTBUS_REPLICAS": ("bus", "replicas"),
}
"""Where each variable's value goes; VIRTBUS_NATS is a list with commas."""


def load_settings(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> GatewaySettings:
    """The settings, the strongest source last: file, environment, flags.

    :param environment: the process's own where it is None.
    :param flags: nested as the settings are; None values are no settings.
    :raises InvalidArgument: the file is not TOML, or a setting is unknown or wrong.
    """
    settings: dict[str, Any] = {}
    if file is not None:
        try:
            settings = tomllib.loads(file.read_text())
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidArgument(f"the settings in {file} cannot be read: {error}") from error
    for variable, place in ENVIRONMENT.items():
        value = (os.environ if environment is None else environment).get(variable)
        if value is not None:
            _put(settings, place, value.split(",") if place[-1] == "servers" else value)
    for name, value in (flags or {}).items():
        for place, each in _flat((name,), value):
            _put(settings, place, each)
    try:
        return GatewaySettings.model_validate(settings)
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InvalidArgument(f"the gateway's settings cannot be meant so: {places}") from error


def _put(settings: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    for name in place[:-1]:
        settings = settings.setdefault(name, {})
    settings[place[-1]] = value


def _flat(place: tuple[str, ...], value: Any) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return [each for name, inner in value.items() for each in _flat((*place, name), inner)]
    return [] if value is None else [(place, value)]
