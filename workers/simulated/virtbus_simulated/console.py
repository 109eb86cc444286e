"""The screen and the keyboard of a simulated domain."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence

from virtbus.driver import Console, Target, Work
from virtbus.errors import InvalidArgument
from virtbus_simulated.session import Session


class SimulatedConsole(Console):
    """The facet; the driver brings the session."""

    session: Session

    async def screenshot(self, target: Target, screen: int, timeout: float) -> bytes:
        """See Console."""
        if screen != 0:
            raise InvalidArgument(f"there is no screen {screen}, only 0", host=target.host, domain=target.uuid)
        reply = await self.session.ask(target.uuid, "screen", timeout)
        return b64decode(reply["png"])

    async def send_keys(self, target: Target, keys: Sequence[str], hold: int, work: Work) -> None:
        """See Console."""
        for key in keys:
            if not key.startswith("KEY_"):
                raise InvalidArgument(
                    f"{key!r} is no key", host=target.host, domain=target.uuid, hint="names are like KEY_LEFTCTRL"
                )
        await self.session.once(target.uuid, "keys", "keys-sent", work, keys=list(keys), hold=hold)
