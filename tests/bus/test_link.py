"""The connection lives through what a freeze of the process leaves behind."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import Broker, bus_settings
from virtbus.bus.link import Link, cancellable


async def test_a_pong_that_nobody_waits_for_any_more_does_not_end_the_reading(broker: Broker, prefix: str) -> None:
    link = await Link.open(bus_settings(broker, prefix), name="link")
    given_up: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    given_up.cancel()
    await link.client._send_ping(given_up)
    await link.client.flush(timeout=5)
    reply = await link.api("INFO")
    await link.close()
    assert "streams" in reply


async def test_a_cancel_that_comes_with_the_answer_is_not_lost() -> None:
    async def answered() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            return "swallowed"
        return "slept"

    async def caller() -> str:
        return await cancellable(answered())

    with pytest.raises(asyncio.CancelledError):
        await asyncio.ensure_future(caller())
