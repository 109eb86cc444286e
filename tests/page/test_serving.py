"""How the page's files are served: whole, compressed, revalidated, under a policy that lets nothing else in."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from importlib.resources import files

import httpx
import pytest

from tests.stack import Stack

PAGE = files("virtbus_gateway").joinpath("page")
NAMES = sorted(entry.name for entry in PAGE.iterdir())


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.url) as client:
        yield client


@pytest.mark.parametrize("name", NAMES)
async def test_every_file_is_served_as_it_is_compressed_and_once(http: httpx.AsyncClient, name: str) -> None:
    content = PAGE.joinpath(name).read_bytes()
    plain = await http.get(f"/page/{name}", headers={"Accept-Encoding": "identity"})
    assert plain.content == content
    assert "content-encoding" not in plain.headers
    async with http.stream("GET", f"/page/{name}", headers={"Accept-Encoding": "br, gzip"}) as packed:
        assert gzip.decompress(b"".join([part async for part in packed.aiter_raw()])) == content
    assert packed.headers["etag"] != plain.headers["etag"]
    again = await http.get(f"/page/{name}", headers={"If-None-Match": f'"other", {packed.headers["etag"]}'})
    assert again.status_code == 304
    assert not again.content


async def test_the_front_door_is_the_page(http: httpx.AsyncClient) -> None:
    answer = await http.get("/")
    assert answer.text == PAGE.joinpath("index.html").read_text()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_the_policy_lets_in_nothing_inline_and_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    said = (await http.get("/")).headers["content-security-policy"]
    policy = dict(part.split(maxsplit=1) for part in said.split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"


async def test_nothing_is_in_reach_beside_the_page(http: httpx.AsyncClient) -> None:
    for path in ("/page/", "/page/..%2fauth.py", "/page/../auth.py", "/page/nosuch.js"):
        assert (await http.get(path)).status_code == 404


def test_every_module_is_asked_for_before_the_first_has_been_read() -> None:
    index = PAGE.joinpath("index.html").read_text()
    asked = set(re.findall(r'(?:href|src)="/page/([\w.]+\.js)"', index))
    assert asked == {name for name in NAMES if name.endswith(".js")}


def test_the_page_fits_its_weight() -> None:
    # What a browser loads before it shows anything, compressed.
    assert sum(len(gzip.compress(PAGE.joinpath(name).read_bytes())) for name in NAMES) <= 40_000
