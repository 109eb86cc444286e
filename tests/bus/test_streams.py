"""The bus is declared in one place, and what runs is held against it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Broker, bus_settings
from virtbus.bus.connection import Bus
from virtbus.bus.link import ApiError
from virtbus.bus.streams import declarations


async def test_the_embedded_server_has_no_finding(bus: Bus) -> None:
    assert bus.findings == []


async def test_a_server_that_does_not_sync_always_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weak = Broker(tmp_path)
    from tests import conftest

    original = conftest.write_configuration
    monkeypatch.setattr(conftest, "write_configuration", lambda folder, **words: original(folder, sync="2m", **words))
    await weak.start()
    try:
        bus = await Bus.connect(bus_settings(weak), role="gateway", name="gateway")
        await bus.close()
    finally:
        await weak.stop()
    assert [finding for finding in bus.findings if "sync_interval" in finding]


async def test_a_stream_with_fewer_replicas_than_asked_is_a_finding(broker: Broker, prefix: str, bus: Bus) -> None:
    settings = bus_settings(broker, prefix).model_copy(update={"replicas": 3})
    again = await Bus.connect(settings, role="gateway", name="gateway")
    await again.close()
    assert len([finding for finding in again.findings if "replicas" in finding]) == len(declarations(settings))


async def test_declaring_twice_changes_nothing(broker: Broker, prefix: str, bus: Bus) -> None:
    names = [wanted["name"] for wanted in declarations(bus.link.settings)]
    before = {name: (await bus.link.api(f"STREAM.INFO.{name}"))["config"] for name in names}
    again = await Bus.connect(bus_settings(broker, prefix), role="gateway", name="gateway")
    await again.close()
    after = {name: (await bus.link.api(f"STREAM.INFO.{name}"))["config"] for name in before}
    assert after == before


async def test_a_stream_that_is_not_there_is_a_typed_error(bus: Bus) -> None:
    with pytest.raises(ApiError) as caught:
        await bus.link.api("STREAM.INFO.nowhere")
    assert caught.value.err_code == 10059
