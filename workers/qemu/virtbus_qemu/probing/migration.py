"""A migration's parameters: from QEMU's answer, to the status document, and back to QEMU.

QEMU: qapi/migration.json, MigrationParameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from virtbus.errors import XmlError
from virtbus.xml import Element, attribute, children

#: Every parameter that libvirt keeps, in its order, with the kind of its value.
PARAMETERS: dict[str, type[int] | type[bool] | type[str]] = {
    "compress-level": int,
    "compress-threads": int,
    "decompress-threads": int,
    "throttle-trigger-threshold": int,
    "cpu-throttle-initial": int,
    "cpu-throttle-increment": int,
    "cpu-throttle-tailslow": bool,
    "tls-creds": str,
    "tls-hostname": str,
    "max-bandwidth": int,
    "downtime-limit": int,
    "block-incremental": bool,
    "xbzrle-cache-size": int,
    "max-postcopy-bandwidth": int,
    "multifd-channels": int,
    "multifd-compression": str,
    "multifd-zlib-level": int,
    "multifd-zstd-level": int,
    "avail-switchover-bandwidth": int,
}

_WORDS = {True: "yes", False: "no"}


class Parameter(Element, tag="param"):
    """One parameter, its value as text."""

    name: str = attribute()
    value: str = attribute()


class Parameters(Element, tag="migParams"):
    """All parameters, as the status document keeps them."""

    parameters: list[Parameter] = children()


@dataclass(slots=True)
class MigrationParameters:
    """The values that are set, by name, in libvirt's order."""

    values: dict[str, int | bool | str] = field(default_factory=dict)

    @classmethod
    def of_reply(cls, reply: Mapping[str, Any]) -> MigrationParameters:
        """What `query-migrate-parameters` returns; a parameter of another kind than it should be is left out."""
        found = {name: reply[name] for name, kind in PARAMETERS.items() if name in reply and type(reply[name]) is kind}
        return cls(found)

    @classmethod
    def of_element(cls, element: Parameters) -> MigrationParameters:
        """What the status document says.

        :raise XmlError: a parameter is unknown, or its value is not of its kind.
        """
        said = {each.name: each.value for each in element.parameters}
        unknown = said.keys() - PARAMETERS.keys()
        if unknown:
            raise XmlError(f"unknown migration parameter '{min(unknown)}'")
        return cls({name: _value(name, said[name]) for name in PARAMETERS if name in said})

    def element(self) -> Parameters:
        """As the status document keeps them."""
        return Parameters(
            parameters=[
                Parameter(name=name, value=_WORDS[value] if isinstance(value, bool) else str(value))
                for name, value in self.values.items()
            ]
        )

    def arguments(self) -> dict[str, int | bool | str]:
        """The arguments of `migrate-set-parameters`."""
        return dict(self.values)


def _value(name: str, text: str) -> int | bool | str:
    kind = PARAMETERS[name]
    if kind is str:
        return text
    try:
        return int(text) if kind is int else {word: value for value, word in _WORDS.items()}[text]
    except (ValueError, KeyError):
        raise XmlError(f"invalid value '{text:.80}' of migration parameter '{name}'") from None
