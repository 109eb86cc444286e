"""The screen and the keyboard of a machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from virtbus.driver import Console, Target, Work
from virtbus.errors import HypervisorError, InvalidArgument, WrongState
from virtbus_esx.host import HostPlace
from virtbus_esx.keys import MODIFIERS, USAGES
from virtbus_esx.soap import Session, returned
from virtbus_esx.tasks import ASK, finished
from virtbus_esx.vmx.files import split_place
from virtbus_esx.wire import Spec
from virtbus_esx.witness import Known, Witness


class EsxConsole(Console):
    """The facet; the driver brings the session."""

    session: Session
    place: HostPlace
    witness: Witness

    async def screenshot(self, target: Target, screen: int, timeout: float) -> bytes:
        """See Console. The host writes the picture beside the machine's files, from where it is fetched and removed."""
        if screen != 0:
            raise InvalidArgument(f"there is no screen {screen}, only 0", host=target.host, domain=target.uuid)
        known = self._running(target)
        async with asyncio.timeout(timeout):
            task = returned(await self.session.call("CreateScreenshot_Task", known.ref, timeout))
            result = await finished(self.session, task, "CreateScreenshot_Task")
            name = "" if result is None else result.text or ""
            found = split_place(name)
            if found is None:
                raise HypervisorError(f"the host names no picture: {name!r}", host=target.host, domain=target.uuid)
            try:
                return await self.session.download(
                    found[1], timeout, dcPath=self.place.datacenter_path, dsName=found[0]
                )
            finally:
                await self._remove(name)

    async def _remove(self, name: str) -> None:
        task = returned(
            await self.session.call(
                "DeleteDatastoreFile_Task",
                self.session.content["fileManager"],
                ASK,
                name=name,
                datacenter=self.place.datacenter,
            )
        )
        await finished(self.session, task, "DeleteDatastoreFile_Task")

    async def send_keys(self, target: Target, keys: Sequence[str], hold: int, work: Work) -> None:
        """See Console. A host presses and releases at once: how long keys are held is not its to choose."""
        known = self._running(target)
        modifiers = Spec("UsbScanCodeSpecModifierType", **{MODIFIERS[key]: True for key in keys if key in MODIFIERS})
        plain = [key for key in keys if key not in MODIFIERS]
        for key in plain:
            if key not in USAGES:
                raise InvalidArgument(
                    f"{key!r} is no key", host=target.host, domain=target.uuid, hint="names are like KEY_LEFTCTRL"
                )
        events = [
            # The page of keyboards is 7; the API wants it below the usage.
            Spec("UsbScanCodeSpecKeyEvent", usbHidCode=USAGES[key] << 16 | 7, modifiers=modifiers)
            for key in plain
        ]
        await work.before_effect()
        spec = Spec("UsbScanCodeSpec", keyEvents=events)
        await work.until(self.session.call("PutUsbScanCodes", known.ref, ASK, spec=spec))

    def _running(self, target: Target) -> Known:
        known = self.witness.require(target)
        if known.machine is None or not known.machine.active:
            raise WrongState("the domain is not running", host=target.host, domain=target.uuid, hint="start it first")
        return known
