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
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from virtbus.errors import HostTaken, InvalidArgument
from virtbus_simulated.hypervisor.background import in_background
from virtbus_simulated.hypervisor.effects import EffectLog
from virtbus_simulated.hypervisor.parameters import Parameters, parse_uri
from virtbus_simulated.hypervisor.server import Hypervisor, new_boot

FAILED, WRONG, TAKEN = 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        parameters = parse_uri(arguments.uri)
    except InvalidArgument as error:
        return _fail(str(error), WRONG)
    _allow_connections()
    run = partial(_run, arguments, parameters)
    return in_background(run) if arguments.detach else run(lambda: None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="virtbus simulate", description="Run a simulated hypervisor.")
    parser.add_argument("--socket", type=Path, required=True, help="the unix socket to listen on")
    parser.add_argument("--uri", default="simulated:///default", help="the set-up of hosts that are opened without one")
    parser.add_argument("--log", type=Path, help="the file that every effect is appended to")
    parser.add_argument("--ready-file", type=Path, help="gets JSON with socket, pid and boot once it listens")
    parser.add_argument("--detach", action="store_true", help="go on in the background; exit 0 once it listens")
    return parser


def _allow_connections() -> None:
    """As many as the system lets this process have: each host's client is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _run(arguments: argparse.Namespace, parameters: Parameters, ready: Callable[[], None]) -> int:
    try:
        with _locked(arguments.socket):
            boot = new_boot()
            with contextlib.closing(EffectLog(arguments.log, boot)) as log:
                hypervisor = Hypervisor(_machine(), parameters, log, boot)
                with _listening(arguments.socket) as listener:
                    asyncio.run(_serve(hypervisor, listener, arguments.ready_file, ready))
    except HostTaken as error:
        return _fail(str(error), TAKEN)
    except OSError as error:
        return _fail(str(error), FAILED)
    return 0


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the right to serve a socket: flock(2) ends with its holder, so a stale socket is nobody's.

    :raises HostTaken: another process has it.
    """
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HostTaken(f"another process serves {path}") from error
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        yield listener
        path.unlink(missing_ok=True)


async def _serve(
    hypervisor: Hypervisor, listener: socket.socket, ready_file: Path | None, ready: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_unix_server(hypervisor.connection, sock=listener)
    if ready_file is not None:
        _write_ready(ready_file, {"socket": listener.getsockname(), "pid": os.getpid(), "boot": hypervisor.boot})
    ready()
    await stop.wait()
    server.close()


def _write_ready(file: Path, content: dict[str, object]) -> None:
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.write_text(json.dumps(content))
    part.replace(file)


def _machine() -> str:
    """What identifies this computer (machine-id(5)); its name where it has no such file."""
    with contextlib.suppress(OSError):
        return Path("/etc/machine-id").read_text().strip() or platform.node()
    return platform.node()


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"virtbus simulate: {message}\n")
    return code
