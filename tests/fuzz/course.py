"""What every document goes through: read, completed, checked, written, read again."""

from __future__ import annotations

import json
import resource
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from uuid import UUID

from tests.qemu import invented
from virtbus.domain import Domain, Form, complete, problems_of
from virtbus.errors import VirtbusError
from virtbus.xml import Element
from virtbus.xmltool import document
from virtbus_qemu import definition, live
from virtbus_qemu.command import build_argv
from virtbus_qemu.folder import HostFolder
from virtbus_qemu.settings import QemuSettings

CPU_LIMIT = 2.0
"""Seconds of processor time for one document."""
WALL_LIMIT = 30.0
"""Seconds for one document, also where it waits for something; the machine may be busy."""
MEMORY_LIMIT = 1 << 30
"""Bytes of address space above what the process has when it begins."""


class Hang(BaseException):
    """A document took too long; no handler of Exception may swallow it."""


class Strayed(Exception):
    """A document came back as another one."""


def run(text: bytes, *, qemu: bool = False) -> bool:
    """Take a document through its course; whether it was accepted.

    :param qemu: whether the QEMU worker completes domains too, and makes their command lines.
    :raise Exception: anything but an error of ours is a defect.
    """
    try:
        model = document.read(text)
    except VirtbusError as error:
        # What is told to users must be sayable.
        str(error), error.wording, json.dumps(error.evidence)
        return False
    _comes_back(model)
    if isinstance(model, Domain):
        if qemu:
            _is_started(model)
        _is_completed(model)
    return True


def _comes_back(model: Element) -> None:
    written = model.format(secure=True)
    again = document.read(written) if not isinstance(model, document.HostCpu) else type(model).parse(written)
    if again.format(secure=True) != written:
        raise Strayed("written again, its XML differs")
    as_json = json.loads(json.dumps(model.to_json(secure=True)))
    if type(model).from_json(as_json).to_json(secure=True) != as_json:
        raise Strayed("written again, its JSON differs")
    for form in Form:
        model.format(form)


def _is_completed(domain: Domain) -> None:
    try:
        complete(domain, renew=True)
        problems = problems_of(domain)
    except VirtbusError:
        return
    for form in (Form.LIVE, Form.INACTIVE, Form.MIGRATABLE):
        written = domain.format(form, secure=True)
        again = Domain.parse(written)
        if form is Form.LIVE and not problems:
            complete(again)
            if again.format(form, secure=True) != written:
                raise Strayed("completed again, it differs")


def _is_started(domain: Domain) -> None:
    """Everything that the QEMU worker does with a definition before there is a process."""
    abilities = invented.capabilities(kvm=True)
    folder = HostFolder(Path("/run/virtbus/fuzz")).domain(UUID(int=1))
    try:
        whole = definition.complete(domain, abilities, QemuSettings())
        build_argv(live.prepare(whole, folder, QemuSettings(), choose_ports=False), folder, abilities, QemuSettings())
        again = definition.complete(Domain.parse(whole.format(secure=True)), abilities, QemuSettings())
    except VirtbusError:
        return
    if again.format(secure=True) != whole.format(secure=True):
        raise Strayed("completed again by the QEMU worker, it differs")


@contextmanager
def limits() -> Iterator[None]:
    """While this lasts, the process cannot take much more memory, and one document cannot take long."""

    def late(number: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGPROF, late), signal.signal(signal.SIGALRM, late)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY_LIMIT, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, before[0])
        signal.signal(signal.SIGALRM, before[1])


def _address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def verdict(text: bytes, *, qemu: bool = False) -> tuple[bool, str | None]:
    """Whether a document was accepted, and what is wrong with us: None where it was read or refused as it should be.

    To be called within `limits`.
    """
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, CPU_LIMIT)
    signal.setitimer(signal.ITIMER_REAL, WALL_LIMIT)
    try:
        accepted = run(text, qemu=qemu)
    except Hang:
        return False, f"hang\n{traceback.format_exc()}"
    except Exception:  # noqa: BLE001  any other error is what is looked for
        return False, traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    # C code is not interrupted, so its time is looked at afterwards.
    took = time.process_time() - began
    return accepted, f"hang: {took:.1f} s" if took > CPU_LIMIT else None
