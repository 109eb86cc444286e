"""The XAPI client's care: certificates, passwords, sessions."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn

from tests.xapi.simulator import PASSWORD, Xapi, application, certify, furnished
from virtbus.errors import Unauthenticated, Unavailable
from virtbus_xen.xapi.rpc import Failure, Pool


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[tuple[str, Path, Xapi]]:
    """A simulated pool's address, folder and methods."""
    certify(tmp_path)
    xapi = Xapi(furnished())
    config = uvicorn.Config(
        application(xapi), host="127.0.0.1", port=0, log_level="error", ssl_certfile=str(tmp_path / "pool.pem"),
        ssl_keyfile=str(tmp_path / "pool.key"),
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve())
    async with asyncio.timeout(20):
        while not server.started:
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"https://127.0.0.1:{port}", tmp_path, xapi
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await serving


def trust(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=folder / "pool.pem")


async def test_a_certificate_that_nobody_vouches_for_is_refused(place: tuple[str, Path, Xapi]) -> None:
    pool = Pool(place[0], "root", PASSWORD, ssl.create_default_context())
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await pool.login()
    await pool.close()


async def test_a_wrong_password_is_refused(place: tuple[str, Path, Xapi]) -> None:
    pool = Pool(place[0], "root", "guess", trust(place[1]))
    with pytest.raises(Unauthenticated):
        await pool.login()
    await pool.close()


async def test_a_session_that_ran_out_is_begun_anew(place: tuple[str, Path, Xapi]) -> None:
    pool = Pool(place[0], "root", PASSWORD, trust(place[1]))
    await pool.login()
    place[2].pool.sessions.clear()
    assert next(iter((await pool.call("SR.get_all_records")).values()))["name_label"] == "local"
    await pool.close()


async def test_a_failure_keeps_xapis_own_words(place: tuple[str, Path, Xapi]) -> None:
    pool = Pool(place[0], "root", PASSWORD, trust(place[1]))
    await pool.login()
    with pytest.raises(Failure) as caught:
        await pool.run("VBD.plug", "OpaqueRef:none", timeout=10)
    assert caught.value.words == ["HANDLE_INVALID", "VBD", "OpaqueRef:none"]
    await pool.close()
