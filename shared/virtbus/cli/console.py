"""Verbs on a domain's screen and its hypervisor's monitor."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from virtbus.cli.failure import UsageError
from virtbus.cli.session import Session
from virtbus.cli.view import View
from virtbus.operations.console import Screenshot


async def screenshot(session: Session) -> View:
    """`screenshot DOMAIN [FILE]`: without FILE, one named after the domain and the time."""
    picture: Screenshot = await session.ask(await session.operation())
    size = len(picture.content)
    if session.arguments.file == "-":
        if session.as_json:
            return View({"content": base64.b64encode(picture.content).decode(), "bytes": size})
        sys.stdout.buffer.write(picture.content)
        return View(None)
    path = Path(session.arguments.file or _name(session.arguments.domain))
    try:
        await asyncio.to_thread(path.write_bytes, picture.content)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    return View({"file": str(path), "bytes": size}, note=f"Screenshot saved to {path}")


async def monitor_command(session: Session) -> View:
    """`qemu-monitor-command DOMAIN COMMAND`: a QMP command's name, its JSON as virsh takes it, or a --hmp line."""
    job = await session.change(await session.operation(**_command(session)))
    reply: Any = job.outcome().reply
    pretty = 2 if session.arguments.pretty else None
    text = reply if isinstance(reply, str) else json.dumps(reply, indent=pretty, ensure_ascii=False)
    return View(job.record.model_dump(mode="json"), text=text or "\n")


def _command(session: Session) -> dict[str, Any]:
    line = " ".join(session.arguments.command)
    if session.arguments.hmp:
        return {"command": line, "human": True}
    if not line.startswith("{"):
        return {"command": line}
    try:
        document = json.loads(line)
    except ValueError as error:
        raise UsageError(f"the command is not JSON: {error}") from error
    if not isinstance(document, dict) or "execute" not in document or set(document) - {"execute", "arguments", "id"}:
        raise UsageError('the command must be like {"execute": "query-status", "arguments": {...}}')
    return {"command": document["execute"], "arguments": document.get("arguments", {})}


def _name(domain: str) -> str:
    word = re.sub(r"[^\w.-]", "_", domain.rpartition("/")[2])
    return f"{word}-{datetime.now().astimezone():%Y-%m-%d-%H-%M-%S}.png"
