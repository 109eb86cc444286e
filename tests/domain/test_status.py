"""The notes of libvirt's QEMU driver: read, written again, and refused where somebody else says the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from virtbus.domain import Domain, Form
from virtbus.domain.status import Status, renew
from virtbus.errors import XmlError

NOTES = (Path(__file__).parent / "golden" / "status.xml").read_text()


def test_every_word_of_the_notes_is_written_as_it_was_read() -> None:
    assert Status.parse(NOTES).format() == NOTES


def test_the_notes_are_the_same_as_json() -> None:
    status = Status.parse(NOTES)
    assert Status.from_json(json.loads(json.dumps(status.to_json(Form.STATUS, secure=True)))) == status


def test_only_the_drivers_notes_have_what_only_they_hold() -> None:
    status = Status.parse(NOTES)
    live = status.domain.format(Form.LIVE, secure=True)
    assert not any(word in live for word in ("privateData", "actual", "origstates", "fromConfig", "diskSecrets"))
    noted = status.domain.format(Form.STATUS, secure=True)
    with pytest.raises(XmlError, match="unknown"):
        Domain.parse(noted)
    with pytest.raises(XmlError, match="unknown key"):
        Domain.from_json(status.domain.to_json(Form.STATUS))


def test_a_migration_source_of_older_notes_is_read() -> None:
    inner = "        <source protocol='nbd' name='drive' tlsFromConfig='0'>\n"
    begin = NOTES.index("<migrationSource")
    old = NOTES[begin : NOTES.index("</migrationSource>")]
    older = old.replace("format='raw'>\n" + inner, "format='raw' protocol='nbd' name='drive' tlsFromConfig='0'>\n")
    older = older.replace("        </source>\n      ", "      ")
    assert older != old
    assert Status.parse(NOTES.replace(old, older)).format() == NOTES


def test_older_notes_get_what_was_not_noted_then() -> None:
    status = Status(
        state="running",
        reason="booted",
        pid=1,
        domain=Domain.parse(
            "<domain type='kvm' id='4'><name>a</name><devices><graphics type='spice'/></devices></domain>"
        ),
    )
    renew(status, "/ram")
    assert (status.memory_backing, status.node_name, status.fd_set, status.agent_timeout) == ("/ram/4-a", 0, 0, -2)
    assert [audio.type.value for audio in status.domain.devices.audios] == ["spice"]


def test_older_notes_get_the_names_that_follow_from_aliases() -> None:
    secret = "<secret type='iscsi' usage='u'/>"
    domain = Domain.parse(
        "<domain type='kvm' id='4'><name>a</name><devices><disk type='network'>"
        f"<source protocol='iscsi' name='a' tls='yes'><host name='h'/><auth username='u'>{secret}</auth></source>"
        "<target dev='vda'/><alias name='virtio-disk0'/></disk>"
        "<hostdev type='scsi'><source><adapter name='scsi_host0'/><address bus='0' target='0' unit='0'/></source>"
        "<alias name='hostdev0'/></hostdev></devices></domain>"
    )
    renew(Status(state="running", reason="booted", pid=1, domain=domain), "/ram")
    noted = domain.format(Form.STATUS)
    assert "<secret type='auth' alias='virtio-disk0-secret0'/>" in noted
    assert "<TLSx509 alias='objvirtio-disk0_tls0'/>" in noted
    assert "<nodename type='storage' name='libvirt-hostdev0-backend'/>" in noted
