"""Shell completion: the script that a shell reads, and the names that only the gateway knows.

Completion must answer while somebody types: it asks once, over the standard library's HTTP, and gives up soon.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from virtbus.client import config

if TYPE_CHECKING:
    from virtbus.cli.session import Session
    from virtbus.cli.view import View

PATIENCE = 0.5
"""Seconds for the gateway to answer."""


def ask(path: str) -> dict[str, Any]:
    """What the gateway answers; nothing where it does not in time."""
    try:
        found = config.load()
        parts = urlsplit(found.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        headers = {"Authorization": f"Bearer {found.token}"} if found.token else {}
        with closing(kind(parts.hostname or "", parts.port, timeout=PATIENCE)) as connection:
            connection.request("GET", path, headers=headers)
            answer = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException, config.NotConfigured):
        # Completion has nobody to tell; the command itself will say what is wrong.
        return {}
    return answer if isinstance(answer, dict) else {}


def domains(prefix: str) -> list[str]:
    """Names, or HOST/NAME once a slash is typed."""
    found = ask("/v1/domains?limit=1000").get("domains", [])
    names = [f"{domain['host']}/{domain['name']}" if "/" in prefix else domain["name"] for domain in found]
    return sorted({name for name in names if name.startswith(prefix)})


def hosts(prefix: str) -> list[str]:
    """Names of hosts."""
    names = [host["record"]["name"] for host in ask("/v1/hosts").get("hosts", [])]
    return [name for name in names if name.startswith(prefix)]


def jobs(prefix: str) -> list[str]:
    """Ids of the newest jobs."""
    return [job["id"] for job in ask("/v1/jobs?limit=20").get("jobs", []) if job["id"].startswith(prefix)]


def kinds(prefix: str) -> list[str]:
    """Kinds of events."""
    from virtbus.eventkinds import EventKind

    return [kind for kind in EventKind if kind.startswith(prefix)]


COMPLETERS: dict[str, Callable[[str], list[str]]] = {"domains": domains, "hosts": hosts, "jobs": jobs, "kinds": kinds}


async def script(session: Session) -> View:
    """`completion SHELL`: the script, to be evaluated by the shell."""
    import argcomplete

    from virtbus.cli.view import View

    shell = session.arguments.shell
    text = argcomplete.shell_integration.shellcode(["virtbus"], shell=shell)
    return View({"shell": shell, "script": text}, text=text)
