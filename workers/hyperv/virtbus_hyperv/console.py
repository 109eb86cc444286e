"""The screen and the keyboard of a machine. Hyper-V gives thumbnails only, and an answer of WS-Management holds a small
one: a byte of it takes some 30 bytes of XML."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from virtbus.driver import Console, Target, Work
from virtbus.errors import HypervisorError, InvalidArgument, TooLarge, WrongState
from virtbus_hyperv.classes import KEYBOARD, MANAGEMENT, Code, Power
from virtbus_hyperv.keys import VIRTUAL_KEYS
from virtbus_hyperv.management import request_seconds
from virtbus_hyperv.png import png
from virtbus_hyperv.session import Session
from virtbus_hyperv.wsman.message import Argument
from virtbus_hyperv.wsman.reference import Reference

SIZES = ((320, 240, 8 << 20), (112, 84, 512_000), (64, 48, 153_600))
"""Width, height, and bytes of the answer: the first that the host's MaxEnvelopeSizekb allows (500 unless raised)."""


class HypervConsole(Console):
    """The facet; the driver brings the session."""

    session: Session

    async def screenshot(self, target: Target, screen: int, timeout: float) -> bytes:
        """See Console."""
        if screen != 0:
            raise InvalidArgument(f"there is no screen {screen}, only 0", host=target.host, domain=target.uuid)
        known = self.session.known(target)
        until = asyncio.get_running_loop().time() + timeout
        service = await self.session.management.service(MANAGEMENT, timeout)
        settings = Reference("Msvm_VirtualSystemSettingData", (("InstanceID", f"Microsoft:{known.guid}"),))
        for width, height, envelope in SIZES:
            left = max(0.1, until - asyncio.get_running_loop().time())
            arguments: dict[str, Argument] = {
                "TargetSystem": settings, "WidthPixels": width, "HeightPixels": height,
            }  # fmt: skip
            try:
                result = await self.session.client.invoke(
                    service, "GetVirtualSystemThumbnailImage", arguments, left, envelope
                )
            except TooLarge:
                continue
            code = result.number("ReturnValue", Code.UNKNOWN)
            if code == Code.INVALID_STATE:
                raise WrongState("the domain has no screen now", host=target.host, domain=target.uuid)
            if code != Code.DONE:
                raise HypervisorError(f"Hyper-V gave no picture: error {code}", evidence={"code": code})
            return await asyncio.to_thread(png, bytes(result.numbers("ImageData")), width, height)
        raise TooLarge("the host's answers are too small for a picture", hint="raise MaxEnvelopeSizekb of the host")

    async def send_keys(self, target: Target, keys: Sequence[str], hold: int, work: Work) -> None:
        """See Console."""
        codes = []
        for key in keys:
            if key not in VIRTUAL_KEYS:
                raise InvalidArgument(f"{key!r} is no key", host=target.host, domain=target.uuid,
                                      hint="names are like KEY_LEFTCTRL")  # fmt: skip
            codes.append(VIRTUAL_KEYS[key])
        known = self.session.known(target)
        if known.power is not Power.RUNNING:
            raise WrongState("nobody reads the keyboard of a machine that does not run", host=target.host,
                             domain=target.uuid)  # fmt: skip
        query = f"SELECT * FROM {KEYBOARD} WHERE SystemName = '{known.guid}'"
        found = await work.until(self.session.client.references(query, request_seconds(work)))
        if not found:
            raise HypervisorError("the machine has no keyboard now", host=target.host, domain=target.uuid)
        await work.before_effect()
        for code in codes:
            await self.session.management.run(found[0], "PressKey", {"keyCode": code}, work)
        await work.until(asyncio.sleep(hold / 1000))
        for code in reversed(codes):
            await self.session.management.run(found[0], "ReleaseKey", {"keyCode": code}, work)
