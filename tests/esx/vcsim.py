"""vCenters and ESX hosts for tests: govmomi's simulator, built of Debian's packages, behind our own strict layer.

What it is made of is in `simulator/`. The program is kept under .cache by what it is made of, so it is built once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from virtbus.single.child import die_with_parent

PACKAGES = ("golang-go", "golang-github-vmware-govmomi-dev", "golang-github-google-uuid-dev")
"""Debian's; `make` installs them."""
SOURCES = Path(__file__).parent / "simulator"
CACHE = Path(__file__).parents[2] / ".cache" / "esx"
BUILD_SECONDS = 300
USER, PASSWORD = "user", "pass"
CONTROL_SECONDS = 10
START_SECONDS = 30.0
_RUNNING: list[subprocess.Popen[bytes]] = []
"""They end with this process, or with the stack whose folder their command line names."""


class Missing(Exception):
    """The simulator cannot be had here; the text says what to install."""


def build() -> Path:
    """The program.

    :raise Missing: what it is made of is not here.
    """
    if shutil.which("go") is None or not Path("/usr/share/gocode/src/github.com/vmware/govmomi").is_dir():
        raise Missing(f"govmomi's simulator is not here (Debian: apt install {' '.join(PACKAGES)})")
    made_of = [source.read_bytes() for source in sorted(SOURCES.glob("*.go"))]
    made_of += [_version(package) for package in PACKAGES]
    program = CACHE / f"vcsim-{hashlib.sha256(b'|'.join(made_of)).hexdigest()[:16]}"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        words = os.environ | {
            "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOPROXY": "off", "GOFLAGS": "",
            "GOCACHE": str(CACHE / "go"),
        }  # fmt: skip
        part = program.with_suffix(f".{os.getpid()}")
        done = subprocess.run(
            ["go", "build", "-o", str(part), "."],
            cwd=SOURCES, env=words, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Missing(f"govmomi's simulator cannot be built: {done.stderr[-2000:]}")
        part.rename(program)
    return program


def _version(package: str) -> bytes:
    return subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Version}", package], capture_output=True, timeout=30, check=False
    ).stdout


def missing() -> str | None:
    """Why there is no simulator; None where there is."""
    try:
        build()
    except Missing as error:
        return str(error)
    return None


@dataclass
class Simulator:
    """One server that runs."""

    process: subprocess.Popen[bytes]
    folder: Path
    address: str
    thumbprint: str

    @classmethod
    def launch(
        cls, folder: Path, *, mode: str = "vc", machines: int = 0, hosts: int = 2, listen: str = "127.0.0.1:0"
    ) -> Simulator:
        """Start one; what belongs to it (certificate, password) is in the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "secret").write_text(f"{PASSWORD}\n")
        words = ["-mode", mode, "-machines", str(machines), "-hosts", str(hosts), "-listen", listen]
        said = folder / "ready.json"
        with said.open("wb") as output:
            process = subprocess.Popen(
                [str(build()), *words, "-certificate", str(folder / "certificate.pem")],
                stdin=subprocess.DEVNULL, stdout=output, env=os.environ | {"TMPDIR": str(folder)},
                preexec_fn=die_with_parent,
            )  # fmt: skip
        _RUNNING.append(process)
        deadline = time.monotonic() + START_SECONDS
        while not (text := said.read_text()).endswith("\n"):
            assert process.poll() is None, "the simulator ended"
            assert time.monotonic() < deadline, "the simulator is not ready"
            time.sleep(0.02)
        ready = json.loads(text)
        return cls(process, folder, ready["address"], ready["thumbprint"])

    @property
    def options(self) -> dict[str, str]:
        """The options of a host of this server."""
        return {"secret": str(self.folder / "secret"), "thumbprint": self.thumbprint}

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait(CONTROL_SECONDS)

    def put(self, path: str, content: bytes, *, datacenter: str, datastore: str = "LocalDS_0") -> None:
        """Put a file into a datastore."""
        put(self.address, self.folder, path, content, datacenter=datacenter, datastore=datastore)

    def control(self, **asked: Any) -> None:
        """Have something go wrong, or happen."""
        control(self.address, self.folder, **asked)


def _ask(address: str, folder: Path, path: str, body: bytes, method: str) -> None:
    trusted = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
    request = urllib.request.Request(f"https://{address}{path}", data=body, method=method)
    with urllib.request.urlopen(request, timeout=CONTROL_SECONDS, context=trusted) as answer:
        answer.read()


def put(address: str, folder: Path, path: str, content: bytes, *, datacenter: str, datastore: str) -> None:
    """Put a file into a datastore of the server at an address."""
    _ask(address, folder, f"/folder/{path}?dcPath={datacenter}&dsName={datastore}", content, "PUT")


def control(address: str, folder: Path, **asked: Any) -> None:
    """As `Simulator.control`, of a server at an address."""
    _ask(address, folder, "/fake", json.dumps(asked).encode(), "POST")
