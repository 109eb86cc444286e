"""The fake gateway and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.client.gateway import TOKEN, FakeGateway
from tests.gateway.conftest import scene
from virtbus.client import Client

__all__ = ["client", "gateway", "scene"]


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    fake = FakeGateway()
    fake.start()
    yield fake
    fake.stop()


@pytest_asyncio.fixture
async def client(gateway: FakeGateway) -> AsyncIterator[Client]:
    async with Client(gateway.url, TOKEN) as client:
        yield client
