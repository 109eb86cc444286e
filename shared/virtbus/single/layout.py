"""Where single-machine mode keeps things, and the keys of its roles."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from virtbus.bus.rights import (
    BusUser,
    authorization,
    gateway_rights,
    public_key,
    reader_rights,
    setup_rights,
    worker_rights,
    write_seed,
)
from virtbus.bus.subjects import Subjects


@dataclass(frozen=True)
class Layout:
    """The folders of one single-machine Virtbus."""

    state: Path
    run: Path
    """Runtime folders of hosts: sockets lie here, so its path is short."""

    @classmethod
    def at(cls, state: Path) -> Layout:
        """The layout below a state folder; root's usual one has its runtime folder in /run."""
        state = state.absolute()
        run = Path("/run/virtbus") if str(state) == "/var/lib/virtbus" else state / "run"
        layout = cls(state, run)
        for folder in (state, run, layout.logs, layout.keys, layout.nats):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return layout

    @property
    def logs(self) -> Path:
        return self.state / "log"

    @property
    def keys(self) -> Path:
        return self.state / "keys"

    @property
    def nats(self) -> Path:
        return self.state / "nats"

    @property
    def tokens(self) -> Path:
        """The gateway's tokens, as digests."""
        return self.state / "tokens.json"

    @property
    def token(self) -> Path:
        """The first token, in the clear, for this machine's user; mode 0600."""
        return self.state / "token"

    @property
    def ready(self) -> Path:
        return self.state / "ready.json"

    def notify(self, name: str) -> Path:
        return self.run / "notify" / f"{name}.sock"

    def seed(self, name: str) -> Path:
        """The file with a role's NKEY seed, made when it is first asked for."""
        path = self.keys / f"{name}.nk"
        write_seed(path)
        return path

    def bus_port(self) -> int:
        """The port of the bus: the same at every start, as long as it is free."""
        path = self.nats / "port"
        kept = int(path.read_text()) if path.exists() else 0
        try:
            port = free_port(kept)
        except OSError:
            port = free_port()
        path.write_text(str(port))
        return port

    def authorization(self, workers: dict[str, list[str]]) -> str:
        """The server's users: setup, gateway, a reader of events, and one per worker with the hosts it serves."""
        subjects = Subjects()
        rights = {"setup": setup_rights(), "gateway": gateway_rights(subjects, "gateway")}
        rights["reader"] = reader_rights(subjects, "reader")
        for worker, hosts in workers.items():
            rights[worker] = worker_rights(subjects, worker, hosts)
        users = [BusUser(name, public_key(self.seed(name)), granted) for name, granted in rights.items()]
        return authorization(users)


def free_port(wanted: int = 0) -> int:
    """A free TCP port on the loopback address: the wanted one, or any.

    :raises OSError: it is not free.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", wanted))
        port: int = probe.getsockname()[1]
        return port


def write_json(path: Path, value: object) -> None:
    """Write a document in one step: a reader sees the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value, indent=2) + "\n")
    temporary.replace(path)
