"""What shows a capability, on invented answers."""

from __future__ import annotations

from typing import Any

import pytest

from virtbus.errors import HypervisorError
from virtbus_qemu.probing import evidence as e
from virtbus_qemu.probing.evidence import Answers, Evidence
from virtbus_qemu.probing.replies import Session, recorded

SCHEMA: list[dict[str, Any]] = [
    {
        "name": "blockdev-add",
        "meta-type": "command",
        "arg-type": "1",
        "ret-type": "0",
        "features": ["fdset"],
    },
    {"name": "0", "meta-type": "object", "members": []},
    {
        "name": "1",
        "meta-type": "object",
        "members": [{"name": "driver", "type": "2"}, {"name": "layers", "type": "5"}, {"name": "file", "type": "7"}],
        "tag": "driver",
        "variants": [{"case": "nbd", "type": "3"}, {"case": "raw", "type": "0"}],
    },
    {"name": "2", "meta-type": "enum", "values": ["nbd", "raw"]},
    {"name": "3", "meta-type": "object", "members": [{"name": "tls", "type": "4", "default": None}]},
    {"name": "4", "meta-type": "builtin"},
    {"name": "5", "meta-type": "array", "element-type": "6"},
    {"name": "6", "meta-type": "object", "members": [{"name": "depth", "type": "4"}]},
    {"name": "7", "meta-type": "alternate", "members": [{"type": "4"}, {"type": "6"}]},
]


@pytest.fixture
def answers() -> Answers:
    session = Session()
    session.add("query-qmp-schema", None, SCHEMA)
    session.add("query-target", None, {"arch": "arm"})
    session.add("qom-list-types", None, [{"name": "virtio-net-pci"}])
    session.add("query-machines", None, [{"name": "virt-9.0", "alias": "virt"}, {"name": "none"}])
    session.add("device-list-properties", {"typename": "net"}, [{"name": "rss", "default-value": False}])
    session.add("qom-list-properties", {"typename": "virt-9.0-machine"}, [{"name": "ras"}])
    session.add(
        "query-command-line-options", None, [{"option": "spice", "parameters": [{"name": "gl", "type": "boolean"}]}]
    )
    session.add("query-migrate-capabilities", None, [{"capability": "multifd", "state": False}])
    session.add("query-tpm-models", None, ["tpm-crb"])
    session.add("query-tpm-types", None, ["emulator"])
    session.add("query-cpu-definitions", None, [{"name": "max"}])
    session.add("query-sev-capabilities", None, None)
    return Answers(session, ("kvm",))


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (e.qom("nosuch", "virtio-net-pci"), True),
        (e.qom("nosuch"), False),
        (e.prop("nosuch.x", "net.rss"), True),
        (e.prop("net.nosuch"), False),
        (e.off("net.rss"), True),
        (e.off("net.nosuch"), False),
        (e.machine("virt.ras"), True),
        (e.machine("virt.nosuch"), False),
        (e.machine("other.ras"), False),
        (e.command("blockdev-add"), True),
        (e.command("1"), False),
        (e.option("spice"), True),
        (e.option("spice.gl"), True),
        (e.option("spice.nosuch"), False),
        (e.migration("multifd"), True),
        (e.tpm_model("tpm-crb"), True),
        (e.tpm_type("passthrough"), False),
        (e.cpu("max"), True),
        (e.answered("query-sev-capabilities"), False),
        (e.answered("query-machines"), True),
        (e.accelerator("kvm"), True),
        (e.accelerator("hvf"), False),
        (e.both(e.target("arm"), e.cpu("max")), True),
        (e.both(e.target("x86_64"), e.cpu("max")), False),
        (e.schema("blockdev-add/arg/driver/^nbd"), True),
        (e.schema("blockdev-add/arg/driver/^qcow2"), False),
        (e.schema("blockdev-add/arg/+nbd/tls"), True),
        (e.schema("blockdev-add/arg/+raw/tls"), False),
        (e.schema("blockdev-add/arg/+nosuch/tls"), False),
        (e.schema("blockdev-add/arg/layers/depth"), True),
        (e.schema("blockdev-add/arg/file/depth"), True),
        (e.schema("blockdev-add/$fdset"), True),
        (e.schema("blockdev-add/ret/x"), False),
        (e.schema("nosuch/arg/x"), False),
    ],
)
def test_evidence_is_found_or_not(answers: Answers, test: Evidence, expected: bool) -> None:
    assert test.shown(answers) is expected


def test_evidence_says_whose_properties_it_needs() -> None:
    assert e.both(e.prop("a.x", "b.y"), e.machine("virt.ras")).types == ("a", "b")
    assert e.machine("virt.ras").families == ("virt",)


def test_a_recording_is_read_as_sessions() -> None:
    text = """
    {"execute": "qmp_capabilities", "id": "1"} {"return": {}, "id": "1"}
    {"execute": "query-kvm", "id": "2"} {"return": {"enabled": true}, "id": "2"}
    {"execute": "qmp_capabilities", "id": "1"} {"return": {}, "id": "1"}
    {"execute": "query-kvm", "id": "2"} {"error": {"class": "GenericError"}, "id": "2"}
    """
    first, second = recorded(text)
    assert first.ask("query-kvm") == {"enabled": True}
    assert second.ask("query-kvm") is None
    with pytest.raises(HypervisorError, match="did not answer query-kvm"):
        second.need("query-kvm")
