"""Datastores as storage pools, and the images in them as volumes."""

from __future__ import annotations

from virtbus.driver import Storage
from virtbus.errors import NotFound
from virtbus.operations.storage import PoolSummary, VolumeSummary
from virtbus_esx.host import Datastore, HostPlace, datastores
from virtbus_esx.nodes import Node, every, kind, number, text
from virtbus_esx.soap import Session, returned
from virtbus_esx.tasks import finished
from virtbus_esx.vmx.files import place, split_place
from virtbus_esx.wire import Spec

TYPES = {"VMFS": "vmfs", "NFS": "netfs", "NFS41": "netfs"}
"""libvirt's words for what a datastore is; another is a folder."""

_FORMATS = {
    "VmDiskFileInfo": "vmdk",
    "IsoImageFileInfo": "iso",
    "FloppyImageFileInfo": "raw",
}


class EsxStorage(Storage):
    """The facet; the driver brings the session."""

    session: Session
    place: HostPlace

    async def pools(self, timeout: float) -> list[PoolSummary]:
        """See Storage."""
        found = await datastores(self.session, self.place, timeout)
        return [_pool(found[name]) for name in sorted(found)]

    async def volumes(self, pool: str, timeout: float) -> list[VolumeSummary]:
        """See Storage."""
        found = (await datastores(self.session, self.place, timeout)).get(pool)
        if found is None or found.browser is None:
            raise NotFound(f"there is no storage pool {pool}", host=self.place.name, hint="`pool-list` shows them")
        query = [
            Spec("VmDiskFileQuery", details=Spec(
                "VmDiskFileQueryFlags", diskType=True, capacityKb=True, hardwareVersion=False, diskExtents=False,
            )),
            Spec("IsoImageFileQuery"),
            Spec("FloppyImageFileQuery"),
        ]  # fmt: skip
        details = Spec("FileQueryFlags", fileType=True, fileSize=True, modification=False, fileOwner=False)
        search = Spec("HostDatastoreBrowserSearchSpec", query=query, details=details, matchPattern=["*"])
        task = returned(
            await self.session.call(
                "SearchDatastoreSubFolders_Task",
                found.browser,
                timeout,
                datastorePath=f"[{pool}]",
                searchSpec=search,
            )
        )
        result = await finished(self.session, task, "SearchDatastoreSubFolders_Task")
        return sorted(_volumes(pool, result), key=lambda volume: volume.name)


def _pool(store: Datastore) -> PoolSummary:
    return PoolSummary(
        name=store.name,
        type=TYPES.get(store.kind, "dir"),
        active=store.accessible,
        capacity=store.capacity,
        available=store.free,
        location=store.url,
    )


def _volumes(pool: str, result: Node | None) -> list[VolumeSummary]:
    found: list[VolumeSummary] = []
    for folder in () if result is None else result:
        inside = split_place(text(folder, "folderPath") or "")
        prefix = "" if inside is None or not inside[1].strip("/") else inside[1].strip("/") + "/"
        for file in every(folder, "file"):
            name = prefix + (text(file, "path") or "")
            size = number(file, "fileSize") or 0
            capacity = number(file, "capacityKb")
            found.append(
                VolumeSummary(
                    name=name,
                    path=place(pool, name),
                    format=_FORMATS.get(kind(file), "raw"),
                    capacity=size if capacity is None else capacity * 1024,
                    allocation=size,
                )
            )
    return found
