"""Contradictions are refused by their path, and nothing that is right is.

Paths count devices in libvirt's order, in which `complete` has put them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from virtbus.domain import Domain, check, complete
from virtbus.domain.checks import CHECKS, places, problems_of

from .contradictions import CONTRADICTIONS
from .guest import GUEST, guest

BOOTED = GUEST.replace("<alias name='ua-data'/>", "<boot order='1'/><alias name='ua-data'/>").replace(
    "<alias name='net0'/>", "<boot order='2'/><alias name='net0'/>"
)


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_contradiction_is_refused_by_its_path(name: str) -> None:
    was, becomes, kind, path = CONTRADICTIONS[name]
    document = BOOTED if "boot" in name else GUEST
    assert was in document
    domain = Domain.parse(document.replace(was, becomes, 1))
    complete(domain)
    with pytest.raises(kind) as refused:
        check(domain)
    assert type(refused.value) is kind
    assert refused.value.evidence["path"] == path
    # Without USB, everything on it is refused too.
    others = [problem.evidence["path"] for problem in problems_of(domain)][1:]
    assert not others or name == "two usb controllers and none"


@pytest.mark.parametrize("document", [GUEST, BOOTED], ids=["plain", "with boot orders"])
def test_a_guest_without_contradictions_passes(document: str) -> None:
    domain = Domain.parse(document)
    complete(domain)
    check(domain)
    assert problems_of(domain) == []


ALLOWED: dict[str, Callable[[Domain], None]] = {
    "the same mac twice": lambda domain: None,
    "no id": lambda domain: setattr(domain, "id", None),
    "addresses still to be assigned": lambda domain: (
        [setattr(device, "address", None) for device in domain.devices.every()] and None
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_libvirt_allows_is_allowed(name: str) -> None:
    domain = guest()
    ALLOWED[name](domain)
    check(domain)


def test_every_check_has_a_contradiction_that_shows_it() -> None:
    silent = set(CHECKS)
    for name, (was, becomes, _, _) in CONTRADICTIONS.items():
        domain = Domain.parse((BOOTED if "boot" in name else GUEST).replace(was, becomes, 1))
        complete(domain)
        silent -= {each for each in CHECKS if list(each(domain))}
    assert not silent


def test_paths_number_devices_of_a_kind_only_where_there_are_several() -> None:
    paths = [path for path, _ in places(guest())]
    assert "/domain/devices/disk[3]" in paths
    assert "/domain/devices/watchdog" in paths
