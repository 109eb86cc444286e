"""What the worker does not provide is refused when a domain is defined, with the place in the document."""

from __future__ import annotations

import pytest

from tests.qemu import invented
from virtbus.domain import Domain
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.definition import complete
from virtbus_qemu.provided import LACKING, check
from virtbus_qemu.settings import QemuSettings

#: By the path that is refused.
ASKED = {
    "/domain/vcpu/@placement": "<vcpu placement='auto'>2</vcpu>",
    "/domain/numatune/memory/@placement": "<numatune><memory mode='strict' placement='auto'/></numatune>",
    "/domain/numatune": "<numatune><memory mode='restrictive' nodeset='0'/></numatune>",
    "/domain/vcpus": "<vcpu current='2'>2</vcpu><vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/>"
    "<vcpu id='1' enabled='yes' hotpluggable='yes'/></vcpus>",
    "/domain/launchSecurity": "<launchSecurity type='sev'><policy>0x1</policy><session>AAAA</session></launchSecurity>",
}


def domain(inside: str) -> Domain:
    return Domain.parse(
        f"<domain type='qemu'><name>d</name><memory>65536</memory>{inside}"
        "<os><type machine='q35'>hvm</type></os></domain>"
    )


def test_everything_that_is_lacking_is_asked_for_here() -> None:
    assert {row.path for row in LACKING} == ASKED.keys()


@pytest.mark.parametrize("path", ASKED)
def test_what_the_worker_does_not_do_is_refused_by_its_path(path: str) -> None:
    with pytest.raises(ConfigUnsupported, match="the worker") as refused:
        check(domain(ASKED[path]))
    assert refused.value.evidence == {"path": path}


def test_it_is_refused_when_the_domain_is_defined() -> None:
    with pytest.raises(ConfigUnsupported, match="asks nobody where a domain runs best"):
        complete(domain(ASKED["/domain/vcpu/@placement"]), invented.capabilities(), QemuSettings())
