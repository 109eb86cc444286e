"""QEMU's older syntax of options, `kind,key=value,...`, written from the properties that QMP takes.

-chardev wants it unless QEMU says that it takes JSON there, -netdev and -device of older versions do too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def escape(text: str) -> str:
    """A value, where a comma is written twice."""
    return text.replace(",", ",,")


def netdev(properties: Mapping[str, Any]) -> str:
    """What a card is connected to."""
    values = dict(properties)
    return ",".join([str(values.pop("type")), *(f"{name}={_value(each)}" for name, each in _flat(values))])


def device(properties: Mapping[str, Any]) -> str:
    """The guest's side of a device."""
    values = dict(properties)
    return ",".join([str(values.pop("driver")), *(f"{name}={_value(each)}" for name, each in _flat(values))])


def without_device_json(words: Sequence[str]) -> list[str]:
    """A command line for a QEMU whose -device takes no JSON (before 7.0)."""
    older = list(words)
    for number, word in enumerate(words[1:], start=1):
        if words[number - 1] == "-device" and word.startswith("{"):
            older[number] = device(json.loads(word))
    return older


def chardev(properties: Mapping[str, Any]) -> str:
    """The host's end of a stream of bytes."""
    kind, said = properties["backend"]["type"], properties["backend"]["data"]
    values: dict[str, Any] = {"id": properties["id"]}
    if kind == "qemu-vdagent":
        values["name"] = "vdagent"
    if kind == "udp":
        values |= _udp(said)
        said = {name: value for name, value in said.items() if name.startswith("log")}
    for name, value in said.items():
        if name == "addr":
            values |= {_ADDRESS.get(key, key): each for key, each in value["data"].items()}
        elif value is not False or name not in _SILENT:
            values[_CHARDEV.get((kind, name)) or _CHARDEV.get(("", name), name)] = value
    return ",".join([kind, *(f"{name}={_value(value)}" for name, value in values.items())])


#: Properties of chardev-add that have another name here, of one kind or of all.
_CHARDEV = {
    ("", "out"): "path",
    ("", "device"): "path",
    ("spicevmc", "type"): "name",
    ("spiceport", "fqdn"): "name",
}

_ADDRESS = {"str": "fd"}

#: Switches of sockets that are off where nothing is said.
_SILENT = ("telnet", "server")


def _udp(data: Mapping[str, Any]) -> dict[str, Any]:
    remote = data["remote"]["data"]
    local = data["local"]["data"] if "local" in data else {"host": "", "port": "0"}
    return {**remote, "localaddr": local["host"], "localport": local["port"] or "0"}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Members of objects have dotted names; members of a list of strings repeat its name."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            for each in value:
                yield f"{prefix}{name}", each["str"] if isinstance(each, Mapping) else each
        else:
            yield f"{prefix}{name}", value


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return escape(str(value))
