"""Names of the hypervisor's objects that older versions of libvirt did not note, because they follow from aliases."""

from __future__ import annotations

from virtbus.domain.domain import Domain
from virtbus.domain.hostdev import ScsiHostdev, ScsiHostSource
from virtbus.domain.private import NodeName, NodeNames, ObjectSecret, SourceObjects, SourcePrivate, TlsObject
from virtbus.domain.storage import StorageSource


def renew(domain: Domain) -> None:
    """Note them for each image that has none of its own noted."""
    for disk in domain.devices.disks:
        source = disk.source
        if source is None or disk.alias is None or source.private is not None:
            continue
        secrets = _secrets(source, disk.alias)
        tls = TlsObject(alias=f"obj{disk.alias}_tls0") if source.tls else None
        if secrets or tls is not None:
            source.private = SourcePrivate(objects=SourceObjects(secrets=secrets, tls=tls))
    for hostdev in domain.devices.hostdevs:
        if isinstance(hostdev, ScsiHostdev) and hostdev.alias is not None and hostdev.source.private is None:
            node = NodeName(type="storage", name=f"libvirt-{hostdev.alias}-backend")
            secrets = _secrets(hostdev.source, hostdev.alias)
            hostdev.source.private = SourcePrivate(
                node_names=NodeNames(nodes=[node]), objects=SourceObjects(secrets=secrets) if secrets else None
            )


def _secrets(source: StorageSource | ScsiHostSource, alias: str) -> list[ObjectSecret]:
    found = []
    if source.auth is not None:
        found.append(ObjectSecret(type="auth", alias=f"{alias}-secret0"))
    if isinstance(source, StorageSource) and source.encryption is not None:
        found.append(ObjectSecret(type="encryption", alias=f"{alias}-luks-secret0"))
    return found
