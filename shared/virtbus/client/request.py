"""The HTTP request that an operation is, made from its declaration.

Fields named in the path go there; `body` goes as application/xml with the rest in the query; otherwise POST and PUT
carry JSON and GET and DELETE a query string. Only what the caller set is sent, so that the gateway's own defaults
hold and an older gateway is not told of arguments that it does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from virtbus.errors import XmlError
from virtbus.operations import Operation

Query = list[tuple[str, str | int | float | bool | None]]
"""Pairs of a query string, as httpx takes them; ours are all text."""

_FIELD = re.compile(r"\{(\w+)\}")
_DECLARED = re.compile(rb"""\s*<\?xml[^>]*\bencoding=["']([\w.-]+)["']""")


@dataclass(frozen=True)
class Request:
    """A request that may be sent any number of times."""

    method: str
    path: str
    query: Query = field(default_factory=list)
    json: dict[str, Any] | None = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def having(self, *, query: dict[str, str] | None = None, headers: dict[str, str] | None = None) -> Request:
        """The same request with more in its query and headers."""
        return Request(
            self.method, self.path, [*self.query, *(query or {}).items()], self.json, self.content,
            self.headers | (headers or {}),
        )  # fmt: skip


def request_of(operation: Operation[Any]) -> Request:
    """The request that asks for an operation.

    :raises XmlError: its document has a character that its encoding has not.
    """
    method, template = operation.http.split(" ", 1)
    in_path = set(_FIELD.findall(template))
    path = _FIELD.sub(lambda match: quote(str(getattr(operation, match[1])), safe=""), template)
    rest = operation.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=in_path)
    accept = {"Accept": operation.media or "application/json"}
    if operation.body is not None:
        document = _encoded(str(rest.pop(operation.body, "")))
        headers = accept | {"Content-Type": "application/xml"}
        return Request(method, path, query_of(rest), content=document, headers=headers)
    if method in ("POST", "PUT"):
        return Request(method, path, json=rest, headers=accept)
    return Request(method, path, query_of(rest), headers=accept)


def query_of(arguments: dict[str, Any]) -> Query:
    """Arguments as a query string's pairs: lists repeat the name, what is None is left out."""
    pairs: Query = []
    for name, value in arguments.items():
        values = value if isinstance(value, list) else [value]
        pairs += [(name, _word(each)) for each in values if each is not None]
    return pairs


def encoding_of(document: str | bytes) -> str:
    """The encoding that a document's XML declaration names; UTF-8 where there is none."""
    head = document[:200].encode(errors="replace") if isinstance(document, str) else document[:200]
    declared = _DECLARED.match(head)
    return declared[1].decode() if declared else "utf-8"


def _encoded(document: str) -> bytes:
    encoding = encoding_of(document)
    try:
        return document.encode(encoding)
    except (UnicodeEncodeError, LookupError) as error:
        raise XmlError(f"the document cannot be written as {encoding}: {error}") from error


def _word(value: Any) -> str:
    return ("false", "true")[value] if isinstance(value, bool) else str(value)
