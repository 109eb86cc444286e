"""A session with one ESX host or vCenter: calls of the vSphere Web Services API, each with a time limit."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from lxml import etree

from virtbus.errors import HypervisorError, HypervisorGone, HypervisorSilent, Unavailable
from virtbus_esx.faults import Fault, fault_of
from virtbus_esx.nodes import VIM, Node, find, ref, text
from virtbus_esx.tls import context_for
from virtbus_esx.uri import Login, read_secret
from virtbus_esx.wire import Ref, request

_SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
INSTANCE = Ref("ServiceInstance", "ServiceInstance")
LOGIN_SECONDS = 20.0
CONNECTIONS = 16
"""At most so many to one server, long polls included."""

_AGAIN = frozenset({"NotAuthenticated"})
"""Faults after which a call is made once more in a new session: it was not carried out."""


class Session:
    """The calls of one server. `open` logs in; a session that the server has ended is opened again by itself."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self.content: dict[str, Ref] = {}
        """The server's managers by their names in the ServiceContent, such as propertyCollector."""
        self.about: dict[str, str] = {}
        """What the server says of itself (AboutInfo)."""
        self.number = 0
        """Counts the logins: what belonged to an earlier session is gone."""
        self._client: httpx.AsyncClient | None = None
        self._renewing = asyncio.Lock()

    async def open(self) -> None:
        """Reach the server and log in.

        :raises HypervisorError: it cannot be reached, is not the one that is meant, or refuses.
        """
        verify = await context_for(self.login, LOGIN_SECONDS)
        self._client = httpx.AsyncClient(
            base_url=self.login.url,
            verify=verify,
            trust_env=False,
            timeout=None,
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
            headers={"Content-Type": "text/xml; charset=utf-8", "SOAPAction": "urn:vim25/6.5"},
        )
        answer = await self._post("RetrieveServiceContent", INSTANCE, LOGIN_SECONDS, {})
        returned = find(answer, "returnval")
        if returned is None:
            raise HypervisorError(f"{self.login.server} is no vCenter and no ESX host")
        for node in returned:
            name = etree.QName(node).localname
            if name == "about":
                self.about = {etree.QName(each).localname: each.text or "" for each in node}
            elif (found := ref(node)) is not None and node.get("type"):
                self.content[name] = found
        await self._login()

    async def close(self) -> None:
        """Log out, as far as that is possible."""
        if self._client is None:
            return
        try:
            await self._post("Logout", self.content["sessionManager"], 2.0, {})
        except (Fault, HypervisorError, Unavailable, KeyError):
            pass
        finally:
            await self._client.aclose()
            self._client = None

    async def call(self, method: str, this: Ref, timeout: float, **arguments: Any) -> Node:
        """Call a method of a managed object and give its answer.

        :param timeout: seconds.
        :param arguments: in the schema's order.
        :raises VirtbusError: what the fault means.
        :raises HypervisorSilent: no answer in time; it may be carried out all the same.
        :raises Unavailable: the connection ended first; it may have been carried out.
        """
        try:
            return await self.raw(method, this, timeout, **arguments)
        except Fault as fault:
            raise fault.error(method) from fault

    async def raw(self, method: str, this: Ref, timeout: float, **arguments: Any) -> Node:
        """As `call`, with the fault as it came.

        :raises Fault: the server refused.
        """
        number = self.number
        try:
            return await self._post(method, this, timeout, arguments)
        except Fault as fault:
            if fault.kind not in _AGAIN:
                raise
        await self._renew(number)
        if "session[" in this.id:
            raise Fault("ManagedObjectNotFound", "it belonged to a session that has ended", {})
        return await self._post(method, this, timeout, arguments)

    async def _renew(self, number: int) -> None:
        """Log in again, unless somebody else has meanwhile."""
        async with self._renewing:
            if self.number == number:
                await self._login()

    async def _login(self) -> None:
        words = {"userName": self.login.user, "password": read_secret(self.login)}
        try:
            await self._post("Login", self.content["sessionManager"], LOGIN_SECONDS, words)
        except Fault as fault:
            raise fault.error(f"{self.login.server} refused the login of {self.login.user}") from None
        self.number += 1

    async def _post(self, method: str, this: Ref, timeout: float, arguments: dict[str, Any]) -> Node:
        if timeout <= 0:
            raise HypervisorSilent(f"no time was left to ask {self.login.server} for {method}")
        answer = await self._send("POST", "/sdk", method, timeout, content=request(method, this, arguments))
        try:
            body = etree.fromstring(answer.content, _PARSER).find(f"{_SOAP}Body")
        except etree.XMLSyntaxError:
            body = None
        if body is None or not len(body):
            raise HypervisorError(
                f"{self.login.server} answered {method} with HTTP {answer.status_code} and no SOAP",
                hint="is it a vCenter or an ESX host?",
            )
        if body[0].tag == f"{_SOAP}Fault":
            raise fault_of(body[0])
        return body[0]

    async def _send(self, verb: str, path: str, what: str, timeout: float, **words: Any) -> httpx.Response:
        if self._client is None:
            raise Unavailable(f"there is no connection to {self.login.server}")
        try:
            async with asyncio.timeout(timeout):
                return await self._client.request(verb, path, **words)
        except TimeoutError as error:
            raise HypervisorSilent(
                f"{self.login.server} did not answer {what} within {timeout:.3g} s", evidence={"sent": what}
            ) from error
        except httpx.ConnectError as error:
            raise HypervisorGone(
                f"{self.login.server} cannot be reached: {error}", hint="see the host's URI, and its certificate"
            ) from None
        except httpx.HTTPError as error:
            raise Unavailable(
                f"the connection to {self.login.server} ended before it answered {what}: {type(error).__name__}",
                hint="the worker connects anew by itself, and looks at what became of it", evidence={"sent": what},
            ) from None  # fmt: skip

    async def download(self, path: str, timeout: float, **query: str) -> bytes:
        """A file of a datastore, by HTTP.

        :raises HypervisorError: it cannot be had.
        """
        answer = await self._send("GET", f"/folder/{path}", "a file", timeout, params=query)
        if answer.status_code != httpx.codes.OK:
            raise HypervisorError(f"{self.login.server} does not give {path}: HTTP {answer.status_code}")
        return answer.content

    async def properties(self, this: Ref, timeout: float, *names: str) -> dict[str, Node]:
        """Properties of one object; those that are not set are left out."""
        from virtbus_esx.collecting import retrieve, specification

        found = await retrieve(self, [specification(this.kind, names, [this])], timeout)
        return found.get(this, {})


_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, remove_blank_text=True)


def returned(answer: Node) -> Ref:
    """The object that a method returned.

    :raises HypervisorError: it returned none.
    """
    found = ref(answer.find(f"{VIM}returnval"))
    if found is None:
        raise HypervisorError(f"{etree.QName(answer).localname} names no object", evidence={"answer": text(answer, "")})
    return found
