"""One process on a machine serves a host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from virtbus.errors import Unavailable
from virtbus.worker.lock import HostLock

HOLDER = """
import sys
from pathlib import Path
from virtbus.worker.lock import HostLock
HostLock(Path(sys.argv[1]), "h").acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_one_process_holds_the_host_and_says_who_it_is(tmp_path: Path) -> None:
    first, second = HostLock(tmp_path / "run", "h"), HostLock(tmp_path / "run", "h")
    first.acquire()
    first.acquire()
    with pytest.raises(Unavailable) as caught:
        second.acquire()
    assert caught.value.host == "h"
    assert str(os.getpid()) in caught.value.message
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_the_lock_ends_with_its_holder_however_that_dies(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    lock = HostLock(tmp_path, "h")
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Unavailable, match=str(holder.pid)):
            lock.acquire()
    finally:
        holder.kill()
        holder.communicate()
    lock.acquire()
    lock.release()
