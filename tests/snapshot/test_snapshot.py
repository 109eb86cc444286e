"""Snapshots, checkpoints and backups: their words, their defaults, and what is refused."""

from __future__ import annotations

import json

import pytest

from virtbus.domain import Disk, Domain, DomainType
from virtbus.domain.disk import DiskTarget
from virtbus.domain.storage import StorageSource
from virtbus.errors import XmlError
from virtbus.snapshot import Backup, Checkpoint, Snapshot, align, complete
from virtbus.xml import Element, Form, drivers_notes

GUEST = "type='kvm'>\n    <name>a</name>\n    <devices/>\n  "

SNAPSHOT = f"""<domainsnapshot>
  <name>before</name>
  <description>it broke</description>
  <state>running</state>
  <parent>
    <name>earlier</name>
  </parent>
  <creationTime>1272917631</creationTime>
  <memory snapshot='external' file='/ram'/>
  <disks>
    <disk name='vda' snapshot='external' type='file'>
      <driver type='qcow2'>
        <metadata_cache>
          <max_size unit='bytes'>1</max_size>
        </metadata_cache>
      </driver>
      <source file='/new'/>
      <snapshotDeleteInProgress/>
    </disk>
    <disk name='vdb' snapshot='no'/>
  </disks>
  <revertDisks>
    <disk name='vdb' snapshot='internal'/>
  </revertDisks>
  <domain {GUEST}</domain>
  <inactiveDomain {GUEST}</inactiveDomain>
  <cookie>
    <slirpHelper/>
  </cookie>
  <active>1</active>
</domainsnapshot>
"""

CHECKPOINT = """<domaincheckpoint>
  <name>one</name>
  <description>first</description>
  <parent>
    <name>zero</name>
  </parent>
  <creationTime>7</creationTime>
  <disks>
    <disk name='vda' checkpoint='bitmap' bitmap='one' size='8'/>
  </disks>
  <domain>
    <uuid>0b1d1c5e-6e6c-4e1b-9a5f-0a1b2c3d4e5f</uuid>
  </domain>
</domaincheckpoint>
"""

BACKUP = """<domainbackup mode='pull'>
  <incremental>one</incremental>
  <server transport='tcp' tls='yes' name='localhost' port='10809' socket='/s' fdgroup='g'/>
  <disks>
    <disk name='vda' backup='yes' state='running' type='file' backupmode='incremental' incremental='one' \
exportname='e' exportbitmap='b' index='3'>
      <driver type='qcow2'/>
      <target dev='/target'/>
      <scratch file='/scratch'>
        <seclabel model='dac' relabel='no'/>
        <encryption format='luks'>
          <secret type='passphrase' usage='u'/>
        </encryption>
        <privateData>
          <relPath>r</relPath>
        </privateData>
      </scratch>
    </disk>
  </disks>
  <privateData>
    <objects>
      <secret type='tlskey' alias='key'/>
      <TLSx509 alias='tls'/>
    </objects>
  </privateData>
</domainbackup>
"""


@pytest.mark.parametrize(("kind", "text"), [(Snapshot, SNAPSHOT), (Checkpoint, CHECKPOINT), (Backup, BACKUP)])
def test_every_word_is_written_as_it_was_read_in_xml_and_json(kind: type[Element], text: str) -> None:
    with drivers_notes():
        model = kind.parse(text)
        assert model.format(Form.STATUS) == text
        assert kind.from_json(json.loads(json.dumps(model.to_json(Form.STATUS)))) == model


def test_a_new_snapshot_says_nothing_that_only_a_taken_one_can() -> None:
    snapshot = Snapshot.parse(SNAPSHOT)
    snapshot.begin()
    complete(snapshot, 99)
    assert snapshot.format().splitlines()[1:4] == [
        "  <name>before</name>",
        "  <description>it broke</description>",
        "  <creationTime>99</creationTime>",
    ]
    assert snapshot.domain is None
    assert snapshot.cookie == []


def test_a_new_image_is_outside_and_a_file_unless_it_says_otherwise() -> None:
    snapshot = Snapshot.parse(
        "<domainsnapshot><memory file='/m'/><disks><disk name='vda'><source file='/f'/></disk>"
        "<disk name='vdb' type='block'><source dev='/d'/></disk><disk name='vdc'/></disks></domainsnapshot>"
    )
    snapshot.begin()
    assert snapshot.disks is not None
    kinds = [(disk.snapshot and disk.snapshot.value, disk.type and disk.type.value) for disk in snapshot.disks.disks]
    assert kinds == [("external", "file"), ("external", "block"), (None, None)]
    assert snapshot.memory is not None
    assert snapshot.memory.snapshot == "external"


def test_a_moment_without_a_name_is_named_by_its_time() -> None:
    checkpoint = Checkpoint.parse("<domaincheckpoint><disks><disk name='vda'/></disks></domaincheckpoint>")
    complete(checkpoint, 42)
    checkpoint.name_bitmaps()
    assert checkpoint.name == "42"
    assert "<disk name='vda' checkpoint='bitmap' bitmap='42'/>" in checkpoint.format()


@pytest.mark.parametrize("name", ["../escape", "a/b", ".hidden"])
def test_a_name_that_cannot_name_a_file_is_refused(name: str) -> None:
    with pytest.raises(XmlError) as refused:
        Checkpoint.parse(f"<domaincheckpoint><name>{name}</name></domaincheckpoint>")
    assert refused.value.evidence["path"] == "/domaincheckpoint/name"


def two_disks() -> Domain:
    """A domain with the disks vda and vdb."""
    domain = Domain(type=DomainType.KVM, name="a")
    domain.devices.disks = [
        Disk(target=DiskTarget(dev=name), source=StorageSource(file=f"/{name}")) for name in ("vda", "vdb")
    ]
    return domain


def test_disks_that_a_backup_does_not_name_are_left_out() -> None:
    backup = Backup.parse("<domainbackup><disks><disk name='vda' type='file'/></disks></domainbackup>")
    align(backup, two_disks())
    assert "<disk name='vdb' backup='no'/>" in backup.format()


def test_a_backup_that_names_no_disk_has_all_since_its_checkpoint() -> None:
    backup = Backup.parse("<domainbackup><incremental>one</incremental></domainbackup>")
    align(backup, two_disks())
    assert backup.disks is not None
    assert [(disk.backup, disk.incremental) for disk in backup.disks.disks] == [(True, "one"), (True, "one")]
