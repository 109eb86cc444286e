"""`virtbus simulate`: run the simulated hypervisor until SIGTERM or SIGINT.

    python -m virtbus_simulated --socket PATH [--uri URI] [--log PATH] [--ready-file PATH] [--detach]

Exit codes: 0 stopped (or, with --detach, ready), 2 wrong arguments, 3 another process serves this socket, 1 anything
else that kept it from starting.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import platform
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from virtbus.errors import HostTaken, VirtbusError
from virtbus_simulated.hypervisor.effects import EffectLog
from virtbus_simulated.hypervisor.parameters import parse_uri
from virtbus_simulated.hypervisor.server import Hypervisor, new_boot

TAKEN = 3

_READY, _FAILED = b"R", b"F"


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; returns the exit code."""
    arguments = _arguments().parse_args(argv)
    try:
        parameters = parse_uri(arguments.uri)
        if arguments.detach and (code := _detached()) is not None:
            return code
        lock = _lock(arguments.socket)
        boot = new_boot()
        log = EffectLog(arguments.log, boot)
        hypervisor = Hypervisor(_machine(), parameters, log, boot)
        with contextlib.closing(log), lock:
            asyncio.run(_serve(hypervisor, arguments.socket, arguments.ready_file, _tell_parent))
    except HostTaken as error:
        return _fail(str(error), TAKEN)
    except (VirtbusError, OSError) as error:
        return _fail(str(error), 1)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="virtbus simulate", description="Run a simulated hypervisor.")
    parser.add_argument("--socket", type=Path, required=True, help="the unix socket to listen on")
    parser.add_argument(
        "--uri", default="simulated:///default", help="how hosts are set up that are opened without a URI"
    )
    parser.add_argument("--log", type=Path, help="the file that every effect is appended to")
    parser.add_argument("--ready-file", type=Path, help="gets JSON with socket, pid and boot once it listens")
    parser.add_argument("--detach", action="store_true", help="go on in the background; exit 0 once it listens")
    return parser


async def _serve(hypervisor: Hypervisor, path: Path, ready_file: Path | None, ready: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    path.unlink(missing_ok=True)
    server = await loop.create_unix_server(hypervisor.connection, str(path))
    path.chmod(0o600)
    if ready_file is not None:
        text = json.dumps({"socket": str(path), "pid": os.getpid(), "boot": hypervisor.boot})
        part = ready_file.with_name(f".{ready_file.name}.{os.getpid()}")
        part.write_text(text)
        part.replace(ready_file)
    ready()
    await stop.wait()
    server.close()
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def _held(descriptor: int):  # type: ignore[no-untyped-def]
    try:
        yield
    finally:
        os.close(descriptor)


def _machine() -> str:
    with contextlib.suppress(OSError):
        return Path("/etc/machine-id").read_text().strip() or platform.node()
    return platform.node()


def _fail(message: str, code: int) -> int:
    print(f"virtbus simulate: {message}", file=sys.stderr)
    return code
