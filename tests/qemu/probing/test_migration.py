"""A migration's parameters on their way through the status document."""

from __future__ import annotations

import pytest

from virtbus.errors import XmlError
from virtbus_qemu.probing.migration import MigrationParameters, Parameter, Parameters

REPLY = {"max-bandwidth": 33554432, "tls-creds": "", "cpu-throttle-tailslow": True, "downtime-limit": "soon", "new": 1}


def test_known_parameters_survive_the_document() -> None:
    first = MigrationParameters.of_reply(REPLY)
    again = MigrationParameters.of_element(Parameters.parse(first.element().format()))
    assert again.arguments() == {"cpu-throttle-tailslow": True, "tls-creds": "", "max-bandwidth": 33554432}
    assert list(again.values) == ["cpu-throttle-tailslow", "tls-creds", "max-bandwidth"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("warp", "9", "unknown migration parameter 'warp'"),
        ("max-bandwidth", "much", "invalid value 'much'"),
        ("block-incremental", "1", "invalid value '1'"),
    ],
)
def test_what_is_unknown_or_of_another_kind_is_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(XmlError, match=message):
        MigrationParameters.of_element(Parameters(parameters=[Parameter(name=name, value=value)]))
