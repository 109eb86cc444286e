"""The client of a host's WS-Management service: Enumerate and Pull, references, Get, Invoke; nothing else.

    client = WsMan(endpoint)
    for system in await client.enumerate("SELECT * FROM Msvm_ComputerSystem", timeout=10): ...
    result = await client.invoke(reference, "RequestStateChange", {"RequestedState": 2}, timeout=10)

There are as many connections as requests are under way, up to a bound: one that hangs delays no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from lxml import etree

from virtbus.errors import HypervisorError, HypervisorSilent, Unavailable, VirtbusError
from virtbus_hyperv.wsman.channel import Channel, Endpoint
from virtbus_hyperv.wsman.fault import error_of, read_fault
from virtbus_hyperv.wsman.instance import Instance, read_instance
from virtbus_hyperv.wsman.message import (
    Argument,
    Limits,
    enumerate_message,
    get_message,
    invoke_message,
    pull_message,
    release_message,
)
from virtbus_hyperv.wsman.names import ENUMERATION, SOAP, VIRTUALIZATION, WSMAN, tag
from virtbus_hyperv.wsman.reference import Reference, read_reference

MAX_ENVELOPE = 153600
"""Bytes of an answer that every WinRM gives (its own default on old hosts, MS-WSMV 3.1.1)."""
MOST_CHANNELS = 16
KEPT_CHANNELS = 2
"""Connections that stay when nothing is asked."""
GRACE = 2.0
"""Seconds that an answer is waited for beyond the time in which the host must give it up itself."""

_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, remove_blank_text=True)


class WsMan:
    """A host's WS-Management service."""

    def __init__(self, endpoint: Endpoint, envelope: int = MAX_ENVELOPE) -> None:
        """:param envelope: bytes that an answer may have."""
        self._endpoint = endpoint
        self._envelope = envelope
        self._idle: list[Channel] = []
        self._places = asyncio.Semaphore(MOST_CHANNELS)
        self._closed = False

    async def close(self) -> None:
        """End the connections."""
        self._closed = True
        idle, self._idle = self._idle, []
        for channel in idle:
            await channel.close()

    async def enumerate(self, query: str, timeout: float, namespace: str = VIRTUALIZATION) -> list[Instance]:
        """The instances that a query of WQL finds.

        :raises VirtbusError: see `fault`; Unavailable where the host cannot be reached.
        """
        return [read_instance(node) for node in await self._items(query, timeout, namespace, references=False)]

    async def references(self, query: str, timeout: float, namespace: str = VIRTUALIZATION) -> list[Reference]:
        """References to the instances that a query finds."""
        nodes = await self._items(query, timeout, namespace, references=True)
        return [found for node in nodes if (found := read_reference(node)) is not None]

    async def get(self, reference: Reference, timeout: float) -> Instance:
        """One instance.

        :raises NotFound: there is none.
        """
        body = await self._ask(get_message(self._limits(timeout), reference), f"Get {reference.kind}", timeout)
        return read_instance(_only(body))

    async def invoke(
        self, target: Reference, method: str, arguments: Mapping[str, Argument], timeout: float, envelope: int = 0
    ) -> Instance:
        """Call a method; returns its results, ReturnValue among them.

        :param envelope: bytes that its answer may have, where that is not the usual number.
        :raises TooLarge: the host does not answer in so many.
        """
        limits = Limits(self._endpoint.url, envelope or self._envelope, max(timeout, 0.1))
        message = invoke_message(limits, target, method, arguments)
        return read_instance(_only(await self._ask(message, f"{target.kind}.{method}", timeout, limits.envelope)))

    async def _items(self, query: str, timeout: float, namespace: str, *, references: bool) -> list[etree._Element]:
        """All items of an enumeration."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        message = enumerate_message(self._limits(timeout), query, namespace, references=references)
        answer = _only(await self._ask(message, f"the query {query}", timeout))
        items = _listed(answer, WSMAN)
        while not _ended(answer):
            context = answer.findtext(tag(ENUMERATION, "EnumerationContext"), "")
            left = until - loop.time()
            if left <= 0:
                await self._release(context, namespace)
                raise HypervisorSilent(f"the host did not list everything within {timeout:.1f} seconds")
            message = pull_message(self._limits(left), context, namespace)
            answer = _only(await self._ask(message, f"more of the query {query}", left))
            items.extend(_listed(answer, ENUMERATION))
        return items

    async def _release(self, context: str, namespace: str) -> None:
        with suppress(VirtbusError):
            await self._ask(release_message(self._limits(GRACE), context, namespace), "Release", GRACE)

    def _limits(self, timeout: float) -> Limits:
        return Limits(self._endpoint.url, self._envelope, max(timeout, 0.1))

    async def _ask(self, message: bytes, sent: str, timeout: float, envelope: int = 0) -> etree._Element:
        """Send a message; returns the body of its answer."""
        try:
            async with asyncio.timeout(timeout + 2 * GRACE), self._channel() as channel:
                answer = await channel.exchange(message, timeout + GRACE)
        except TimeoutError:
            raise HypervisorSilent(f"the host did not answer {sent} within {timeout:.1f} seconds") from None
        if len(answer) > (envelope or self._envelope):
            raise HypervisorError(f"the host's answer to {sent} is larger than it may be", evidence={"sent": sent})
        try:
            root = etree.fromstring(answer, _PARSER)
        except etree.XMLSyntaxError as error:
            raise HypervisorError(f"the host's answer to {sent} is no XML", evidence={"sent": sent}) from error
        fault = read_fault(root)
        if fault is not None:
            raise error_of(fault, sent)
        body = root.find(tag(SOAP, "Body"))
        if body is None:
            raise HypervisorError(f"the host's answer to {sent} has no body", evidence={"sent": sent})
        return body

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[Channel]:
        async with self._places:
            if self._closed:
                raise Unavailable("the connection to the host is closed")
            channel = self._idle.pop() if self._idle else Channel(self._endpoint)
            try:
                yield channel
            finally:
                if self._closed or len(self._idle) >= KEPT_CHANNELS:
                    await channel.close()
                else:
                    self._idle.append(channel)


def _only(body: etree._Element) -> etree._Element:
    if len(body) == 0:
        raise HypervisorError("the host's answer is empty")
    return body[0]


def _listed(answer: etree._Element, namespace: str) -> list[etree._Element]:
    """The items of an answer to Enumerate (which has WS-Management's) or to Pull (which has WS-Enumeration's)."""
    items = answer.find(tag(namespace, "Items"))
    return [] if items is None else [node for node in items if isinstance(node.tag, str)]


def _ended(answer: etree._Element) -> bool:
    return any(answer.find(tag(each, "EndOfSequence")) is not None for each in (WSMAN, ENUMERATION))
