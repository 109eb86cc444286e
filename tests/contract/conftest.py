"""The labs: one per driver, over one stack; what a driver lacks is the only reason to skip a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.drivers import DRIVERS, DriverCase, Guest, prepare
from tests.contract.lab import Lab, Vm
from tests.stack import Stack
from virtbus.driver import Facet
from virtbus.state import DomainState

FACETS = pytest.StashKey[dict[str, frozenset[str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "facets(*names): what of the driver contract a test needs")
    config.addinivalue_line("markers", "case(**attributes): how the driver's row in the table must be for a test")
    config.stash[FACETS] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print which driver has which facet."""
    known = terminalreporter.config.stash[FACETS]
    if not known:
        return
    terminalreporter.section("facets of the drivers")
    width = max(len(name) for name in known)
    names = sorted(facet.__name__ for facet in Facet.__subclasses__())
    terminalreporter.write_line(f"{'':14}" + "  ".join(f"{driver:>{width}}" for driver in known))
    for name in names:
        marks = "  ".join(f"{'yes' if name in facets else '-':>{width}}" for facets in known.values())
        terminalreporter.write_line(f"{name:14}{marks}")


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    """One stack for all drivers that can be had here."""
    cases = [case for case in DRIVERS if case.missing() is None]

    def prepare_all(folder: Path) -> None:
        prepare(folder)
        for case in cases:
            case.prepare(folder)

    async with Stack.running([case.host for case in cases], prepare_all) as stack:
        yield stack


@pytest.fixture(scope="session", params=DRIVERS, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> DriverCase:
    found: DriverCase = request.param
    missing = found.missing()
    if missing is not None:
        pytest.fail(missing)
    return found


@pytest.fixture(scope="session")
async def whole_lab(stack: Stack, case: DriverCase, request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    """A driver's lab for all its tests."""
    async with stack.client() as client:
        facets = frozenset((await client.host(case.host.name)).record.facets)
        request.config.stash[FACETS][case.name] = facets
        yield Lab(stack, client, case, facets)


@pytest.fixture(autouse=True)
def needed(whole_lab: Lab, request: pytest.FixtureRequest) -> None:
    """Skip a test that needs what the driver lacks."""
    for mark in request.node.iter_markers("facets"):
        missing = sorted(set(mark.args) - whole_lab.facets)
        if missing:
            pytest.skip(f"the driver lacks {', '.join(missing)}")
    for mark in request.node.iter_markers("case"):
        for name, value in mark.kwargs.items():
            if getattr(whole_lab.case, name) != value:
                pytest.skip(f"for {whole_lab.case.name}, {name} is {getattr(whole_lab.case, name)}")


@pytest.fixture
async def lab(whole_lab: Lab) -> AsyncIterator[Lab]:
    """The lab; the domains that a test makes are gone afterwards, and their events were in order."""
    yield whole_lab
    await whole_lab.clear()


@pytest.fixture(scope="session")
async def shared(whole_lab: Lab) -> AsyncIterator[Vm]:
    """The domain whose guest is booted once for many tests."""
    lab = Lab(whole_lab.stack, whole_lab.client, whole_lab.case, whole_lab.facets)
    vm = await lab.started(Guest.AWAKE)
    yield vm
    await lab.clear()


@pytest.fixture
async def awake(shared: Vm) -> Vm:
    """A running domain whose guest answers."""
    if await shared.state() is not DomainState.RUNNING:
        await shared.remove()
        await shared.define()
        await shared.start()
    return shared
