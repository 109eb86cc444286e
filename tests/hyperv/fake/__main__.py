"""The fake as a process: it serves hosts until it is ended, and prints the port of each."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from tests.hyperv.fake.host import FakeHost, populate
from tests.hyperv.fake.wire import handler

USER = "virtbus"


def credentials(folder: Path, password: str) -> None:
    """What the acceptor of NTLM reads users from (a form of its own, by a variable of the environment)."""
    path = folder / "users"
    path.write_text(f":{USER}:{password}\nWORKGROUP:{USER}:{password}\n")
    os.environ["NTLM_USER_FILE"] = str(path)


async def serve(arguments: argparse.Namespace) -> None:
    """Serve for ever."""
    secret = arguments.folder / "secret"
    credentials(arguments.folder, secret.read_text().strip())
    ports = []
    for number in range(arguments.hosts):
        host = FakeHost(f"HV{number}", {USER: secret.read_text().strip()}, job_seconds=arguments.job_ms / 1000)
        populate(host, arguments.machines)
        port = arguments.port + number if arguments.port else 0
        server = await asyncio.start_server(handler(host), "127.0.0.1", port)
        ports.append(server.sockets[0].getsockname()[1])
    (arguments.folder / "ports").write_text(" ".join(map(str, ports)))
    print("ready", *ports, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="Serve Hyper-V hosts that are none.")
    parser.add_argument("--folder", type=Path, required=True, help="where the password lies, in `secret`")
    parser.add_argument("--hosts", type=int, default=1)
    parser.add_argument("--machines", type=int, default=0, help="machines that run on each host at first")
    parser.add_argument("--port", type=int, default=0, help="of the first host; 0: any")
    parser.add_argument("--job-ms", type=float, default=10)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
