"""The gateway's settings: from flags, else from VIRTBUS_* of the environment, else from a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from virtbus.bus.settings import BusSettings
from virtbus.config import BUS_ENVIRONMENT, load


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


ENVIRONMENT = BUS_ENVIRONMENT | {
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
}
"""Which variable of the environment is which setting."""


def load_settings(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> GatewaySettings:
    """The gateway's settings; see virtbus.config.load.

    :raises InvalidArgument: the file is not TOML, or a setting is unknown or wrong.
    """
    return load(GatewaySettings, ENVIRONMENT, file=file, environment=environment, flags=flags)
