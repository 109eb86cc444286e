"""Events that resume, over real HTTP."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from tests.client.gateway import TOKEN, FakeGateway
from virtbus.client import Client, EventStream, Unreachable
from virtbus.client.sse import Message, Parser
from virtbus.errors import Unauthenticated
from virtbus.eventkinds import EventKind
from virtbus.records import Event

DOMAIN = UUID(int=7)


def lifecycle(generation: int) -> Event:
    return Event(kind=EventKind.LIFECYCLE, host="alpha", family="qemu", domain=DOMAIN, generation=generation)


async def take(stream: EventStream, number: int) -> list[int]:
    async with asyncio.timeout(10):
        return [(await anext(stream)).generation for _ in range(number)]


async def test_a_broken_stream_goes_on_after_the_last_event(gateway: FakeGateway, client: Client) -> None:
    for generation in range(1, 7):
        gateway.add_event(lifecycle(generation))
    gateway.break_after.extend([2, 1, 0])
    async with client.events(replay=True) as stream:
        assert await take(stream, 6) == [1, 2, 3, 4, 5, 6]
        assert stream.cursor == "6"
    asked = [headers.get("last-event-id") for headers in gateway.sent("GET", "/v1/events")]
    assert asked == [None, "2", "3", "3"]


async def test_what_happens_during_a_break_before_the_first_event_comes(gateway: FakeGateway, client: Client) -> None:
    gateway.add_event(lifecycle(1))
    gateway.break_after.append(0)
    gateway.while_broken = [lifecycle(2), lifecycle(3)]
    async with client.events() as stream:
        assert await take(stream, 2) == [2, 3]


async def test_a_stored_cursor_goes_on_in_another_client(gateway: FakeGateway, client: Client) -> None:
    for generation in range(1, 4):
        gateway.add_event(lifecycle(generation))
    async with client.events(replay=True) as stream:
        assert await take(stream, 1) == [1]
        cursor = stream.cursor
    async with Client(gateway.url, TOKEN) as other, other.events(cursor) as stream:
        assert await take(stream, 2) == [2, 3]


async def test_a_cursor_too_old_gives_one_gap(gateway: FakeGateway, client: Client) -> None:
    for generation in range(1, 4):
        gateway.add_event(lifecycle(generation))
    gateway.oldest = 2
    async with client.events("0") as stream, asyncio.timeout(10):
        assert [(await anext(stream)).kind for _ in range(2)] == [EventKind.GAP, EventKind.LIFECYCLE]


async def test_filters_are_sent(gateway: FakeGateway, client: Client) -> None:
    gateway.add_event(lifecycle(1))
    gateway.add_event(Event(kind=EventKind.REBOOT, host="alpha", family="qemu", generation=2))
    kinds = [EventKind.REBOOT, EventKind.JOB]
    async with client.events(host="alpha", domain=DOMAIN, kinds=kinds, project="p", replay=True) as stream:
        assert await take(stream, 1) == [2]
    query = gateway.requests[0][1].partition("?")[2]
    assert query == f"host=alpha&domain={DOMAIN}&kind=reboot&kind=job&project=p&replay=all"


async def test_a_refusal_ends_the_stream(gateway: FakeGateway) -> None:
    async with Client(gateway.url, "wrong") as client, client.events() as stream:
        with pytest.raises(Unauthenticated):
            await anext(stream)


async def test_a_gateway_that_never_answered_is_given_up(gateway: FakeGateway) -> None:
    gateway.stop()
    async with Client(gateway.url, TOKEN, patience=0.1) as client, client.events() as stream:
        with pytest.raises(Unreachable):
            await anext(stream)


async def test_an_event_of_a_kind_that_a_newer_gateway_has_comes_as_its_name(
    gateway: FakeGateway, client: Client
) -> None:
    gateway.add_event(lifecycle(1).model_copy(update={"kind": "teleported"}))
    gateway.add_event(lifecycle(2))
    async with client.events(replay=True) as stream:
        kinds = [(await anext(stream)).kind for _ in range(2)]
    assert kinds == ["teleported", EventKind.LIFECYCLE]


STREAM = "id: 1\nevent: lifecycle\ndata: ü\u2028x\n\n: a comment\n\nid: 2\r\n\r\ndata:a\rdata: b\r\rdata: lost".encode()
MESSAGES = [Message("1", "lifecycle", "ü\u2028x"), Message("2"), Message(None, "message", "a\nb")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(STREAM)])
def test_the_parser_reads_a_stream_cut_anywhere(size: int) -> None:
    parser = Parser()
    found = [message for at in range(0, len(STREAM), size) for message in parser.feed(STREAM[at : at + size])]
    assert found == MESSAGES
