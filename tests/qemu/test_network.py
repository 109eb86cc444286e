"""Tap devices of the host: made for a card and gone with it, unless they were there before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtbus.domain import Interface, parse_device
from virtbus_qemu import network, tap

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/net/tun").exists(), reason="only root makes tap devices"
)

NAME = f"vbt{os.getpid()}"


@pytest.fixture(autouse=True)
def no_device_stays() -> Iterator[None]:
    yield
    tap.remove(NAME)


def card(target: str = "") -> Interface:
    made = parse_device(f"<interface type='ethernet'><target dev='{NAME}'{target}/></interface>")
    assert isinstance(made, Interface)
    return made


def test_a_card_takes_its_device_along() -> None:
    made = card()
    network.connect(made)
    assert tap.exists(NAME)
    network.disconnect(made)
    assert not tap.exists(NAME)


def test_a_device_that_was_there_before_stays() -> None:
    tap.make(NAME)
    made = card()
    network.connect(made)
    network.disconnect(made)
    assert tap.exists(NAME)


def test_a_device_that_somebody_else_manages_is_not_made() -> None:
    made = card(" managed='no'")
    network.connect(made)
    assert not tap.exists(NAME)
