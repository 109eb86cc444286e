"""One server, which several hosts may share: its session and its update stream, counted; the last one closes it."""

from __future__ import annotations

import asyncio

from virtbus_esx.soap import Session
from virtbus_esx.updates import Updates
from virtbus_esx.uri import Login

_MANAGERS: dict[Login, Manager] = {}
"""The servers that this process talks to now."""


class Manager:
    """A vCenter, or an ESX host by itself."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self.session = Session(login)
        self.updates = Updates(self.session)
        self._users = 0
        self._opening = asyncio.Lock()

    @classmethod
    async def acquire(cls, login: Login) -> Manager:
        """The server, logged in; to be released.

        :raises HypervisorError: it cannot be reached or refuses.
        """
        manager = _MANAGERS.setdefault(login, cls(login))
        manager._users += 1
        try:
            async with manager._opening:
                if not manager.session.content:
                    await manager.session.open()
        except BaseException:
            manager._leave()
            raise
        return manager

    async def release(self) -> None:
        """It is not needed any more."""
        if self._leave():
            await self.session.close()

    def _leave(self) -> bool:
        """Whether that was the last who needs it."""
        self._users -= 1
        if self._users == 0 and _MANAGERS.get(self.login) is self:
            del _MANAGERS[self.login]
        return self._users == 0
