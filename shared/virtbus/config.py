"""Settings of a service: from flags, else VIRTBUS_* of the environment, else a TOML file, else the default."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from virtbus.errors import InvalidArgument

SettingsT = TypeVar("SettingsT", bound=BaseModel)
Place = tuple[str, ...]
"""Where a setting lies: the names of the tables around it, and its own."""

BUS_ENVIRONMENT: dict[str, Place] = {
    "VIRTBUS_NATS": ("bus", "servers"),
    "VIRTBUS_NATS_MONITOR": ("bus", "monitor"),
    "VIRTBUS_PREFIX": ("bus", "prefix"),
    "VIRTBUS_NKEY_SEED": ("bus", "nkey_seed"),
    "VIRTBUS_NATS_CA": ("bus", "tls_ca"),
    "VIRTBUS_NATS_CERT": ("bus", "tls_cert"),
    "VIRTBUS_NATS_KEY": ("bus", "tls_key"),
    "VIRTBUS_REPLICAS": ("bus", "replicas"),
}
"""The variables of every service that is on the bus; VIRTBUS_NATS is a list with commas."""

LISTS = {"servers", "hosts"}
"""Settings whose variable is a list with commas."""


def load(
    model: type[SettingsT],
    variables: Mapping[str, Place],
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> SettingsT:
    """The settings, the strongest source last: file, environment, flags.

    :param variables: which variable of the environment is which setting.
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
    for variable, place in variables.items():
        value = (os.environ if environment is None else environment).get(variable)
        if value is not None:
            _put(settings, place, value.split(",") if place[-1] in LISTS else value)
    for place, given in _flat((), flags or {}):
        _put(settings, place, given)
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InvalidArgument(f"the settings cannot be meant so: {places}") from error


def _put(settings: dict[str, Any], place: Place, value: Any) -> None:
    for name in place[:-1]:
        settings = settings.setdefault(name, {})
    settings[place[-1]] = value


def _flat(place: Place, value: Any) -> Iterator[tuple[Place, Any]]:
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat((*place, name), inner)
    elif value is not None:
        yield place, value
