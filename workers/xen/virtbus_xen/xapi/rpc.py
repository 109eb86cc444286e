"""A client of XAPI's JSON-RPC 2.0 (XenAPI reference; wire protocol).

Every call but the login has the session as its first argument; an error is a list of words, the first of which is its
code. What takes long is called as `Async.*`, which gives a task to be watched.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from typing import Any, TypeAlias

import httpx

from virtbus.errors import HypervisorError, HypervisorSilent, NoDomain, Unauthenticated, Unavailable, WrongState

Ref: TypeAlias = str
Record: TypeAlias = dict[str, Any]

VERSION = "2.15"
ORIGINATOR = "virtbus"
CALL_SECONDS = 30.0
EVENT_SECONDS = 30.0
"""How long the pool may keep a question for events before it answers that there are none."""
NULL = "OpaqueRef:NULL"

_LOST = ("SESSION_INVALID", "SESSION_AUTHENTICATION_FAILED")


class Failure(HypervisorError):
    """XAPI's own error; `words` has its code and parameters."""

    def __init__(self, words: list[str], method: str) -> None:
        super().__init__(
            f"{method}: {' '.join(words)}", hint="XAPI's words say what",
            evidence={"answer": words, "sent": method},
        )  # fmt: skip
        self.words = words


class Pool:
    """A session at the pool's master."""

    def __init__(self, url: str, user: str, password: str, trust: ssl.SSLContext) -> None:
        self._user, self._password = user, password
        limits = httpx.Timeout(CALL_SECONDS, read=None)
        self._http = httpx.AsyncClient(base_url=url, verify=trust, timeout=limits)
        self._numbers = itertools.count(1)
        self._session: Ref | None = None

    async def login(self) -> None:
        """:raises Unauthenticated: user or password are wrong."""
        try:
            said = [self._user, self._password, VERSION, ORIGINATOR]
            self._session = await self._post("session.login_with_password", said, CALL_SECONDS)
        except Failure as error:
            if error.words[0] == "SESSION_AUTHENTICATION_FAILED":
                raise Unauthenticated(
                    f"the pool refused {self._user}", hint="see the file with the password"
                ) from error
            raise

    async def call(self, method: str, *arguments: Any, timeout: float = CALL_SECONDS) -> Any:
        """What XAPI answers. A session that has run out is begun anew once.

        :raises Failure: XAPI refused.
        :raises HypervisorSilent: it did not answer in time.
        :raises Unavailable: it cannot be reached.
        """
        try:
            return await self._post(method, [self._session, *arguments], timeout)
        except Failure as error:
            if error.words[0] not in _LOST:
                raise _named(error) from error
        await self.login()
        try:
            return await self._post(method, [self._session, *arguments], timeout)
        except Failure as error:
            raise _named(error) from error

    async def run(self, method: str, *arguments: Any, timeout: float) -> Any:
        """Have something done that takes long, and wait for it; it is cancelled where the caller is.

        :raises Failure: it failed.
        """
        task: Ref = await self.call(f"Async.{method}", *arguments)
        try:
            async with asyncio.timeout(timeout):
                record = await self._ended(task)
        except BaseException as error:
            async with asyncio.timeout(CALL_SECONDS):
                await self.call("task.cancel", task)
            if isinstance(error, TimeoutError):
                raise HypervisorSilent(f"{method} did not end within {timeout:.0f} s") from error
            raise
        await self.call("task.destroy", task)
        if record["status"] != "success":
            raise _named(Failure([str(word) for word in record["error_info"] or [record["status"]]], method))
        return record["result"]

    async def _ended(self, task: Ref) -> Record:
        token = ""
        while True:
            record: Record = await self.call("task.get_record", task)
            if record["status"] not in ("pending", "cancelling"):
                return record
            _, token = await self.events([f"task/{task}"], token)

    async def events(self, classes: list[str], token: str) -> tuple[list[Record], str]:
        """What changed since a token, and the next one; with the empty token, everything that is.

        It waits for up to EVENT_SECONDS until there is something.
        """
        answer = await self.call("event.from", classes, token, EVENT_SECONDS, timeout=2 * EVENT_SECONDS)
        return list(answer["events"]), str(answer["token"])

    async def close(self) -> None:
        """Log out."""
        session, self._session = self._session, None
        try:
            if session is not None:
                await self._post("session.logout", [session], CALL_SECONDS)
        except (Failure, Unavailable, HypervisorSilent):
            # It ends by itself.
            return
        finally:
            await self._http.aclose()

    async def _post(self, method: str, arguments: list[Any], timeout: float) -> Any:
        asked = {"jsonrpc": "2.0", "method": method, "params": arguments, "id": next(self._numbers)}
        try:
            async with asyncio.timeout(timeout):
                response = await self._http.post("/jsonrpc", json=asked)
        except TimeoutError as error:
            raise HypervisorSilent(f"{method} was not answered within {timeout:.0f} s") from error
        except httpx.HTTPError as error:
            raise Unavailable(f"the pool cannot be reached: {error}", hint="is its address right, and its certificate "
                              "signed by who the setting `ca` names?") from error  # fmt: skip
        if response.status_code != httpx.codes.OK:
            raise HypervisorError(f"{method}: HTTP {response.status_code}", evidence={"answer": response.text[:500]})
        answer = response.json()
        if answer.get("error"):
            refusal = answer["error"]
            raise Failure([str(refusal["message"]), *(str(word) for word in refusal.get("data") or [])], method)
        return answer["result"]


def _named(error: Failure) -> HypervisorError | NoDomain | WrongState:
    """XAPI's error as libvirt's, where it has one."""
    code = error.words[0]
    if code == "HANDLE_INVALID" and "VM" in error.words:
        return NoDomain("the pool has no such domain any more", evidence=error.evidence)
    if code in ("VM_BAD_POWER_STATE", "OPERATION_NOT_ALLOWED", "OTHER_OPERATION_IN_PROGRESS"):
        return WrongState(f"the pool refused: {' '.join(error.words)}", hint="look at the domain's state and ask again",
                          evidence=error.evidence)  # fmt: skip
    return error
