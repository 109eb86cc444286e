"""Starting, stopping and pausing containers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from virtbus.domain import Domain
from virtbus.driver import Lifecycle, Target, Work
from virtbus.errors import HypervisorError, VirtbusError
from virtbus.observations import Started
from virtbus_lxc import live, loops
from virtbus_lxc.config import write_config
from virtbus_lxc.config.writing import init_words
from virtbus_lxc.container import Container
from virtbus_lxc.folder import DomainFolder, Notes
from virtbus_lxc.host import LxcHost
from virtbus_lxc.process import Identity
from virtbus_lxc.reset import reset_container
from virtbus_lxc.settling import freeze, settle
from virtbus_lxc.tools import ask, run

START_LIMIT = 60.0
"""Seconds that a container is given to start."""
UNDO_LIMIT = 10.0
PID_FILE = "monitor.pid"


class LxcLifecycle(Lifecycle):
    """The facet; the driver brings the host."""

    host: LxcHost

    async def start(self, target: Target, definition: Domain, work: Work, *, paused: bool) -> None:
        """See Lifecycle. A container that is started paused has run for a few milliseconds: LXC starts none frozen."""
        container = self.host.containers.get(target.uuid)
        if container is not None:
            # An earlier attempt started it.
            if container.frozen and not paused:
                await self._freezer(container, work, frozen=False)
            return
        if work.begun is not None and self._has_run(target, work):
            return
        self.host.starting.add(target.uuid)
        try:
            await self._launch(target, definition, work, paused)
        finally:
            self.host.starting.discard(target.uuid)

    def _has_run(self, target: Target, work: Work) -> bool:
        """Whether an earlier attempt at this job started it, and it has ended since."""
        notes = self.host.folder.domain(target.uuid).read_notes()
        return notes is not None and notes.job == work.job and notes.monitor is not None

    async def _launch(self, target: Target, definition: Domain, work: Work, paused: bool) -> None:
        folder = self.host.folder.domain(target.uuid)
        notes, foreign = self.host.notes_for(target, definition)
        notes.job, notes.paused = work.job, paused
        await work.before_effect()
        earlier = folder.read_notes()
        if earlier is not None:
            await loops.release(earlier.loops.values())
        folder.create()
        domain = live.prepare(definition)
        container: Container | None = None
        try:
            settled = await live.settle(domain, notes)
            folder.config.write_text(write_config(settled, self.host.place) if foreign is None else foreign.read_text())
            if foreign is None and target.uuid not in self.host.foreign:
                self._keep_config(target, folder.config)
            folder.write_definition(domain.format(secure=True))
            folder.write_notes(notes)
            words = [] if foreign is not None else ["--", *init_words(settled)]
            await work.until(self._lxc_start(folder, notes, foreign, words, min(START_LIMIT, work.remaining())))
            container = self._found(folder, notes, domain)
            await work.until(settle(container, work.remaining()))
        except BaseException as error:
            await asyncio.shield(self._undo(folder, notes, container))
            if isinstance(error, HypervisorError):
                raise self._why(folder, error, target) from error
            raise
        self.host.observe(
            Started(
                domain=container.uuid, cause=work.job, incarnation=container.incarnation, id=container.live.id or 0,
                live=container.live, paused=paused,
            )
        )  # fmt: skip
        self.host.arrive(container)

    def _keep_config(self, target: Target, config: Path) -> None:
        """LXC's own tools read it in the container's folder."""
        kept = self.host.own_folder(target.uuid)
        kept.mkdir(parents=True, exist_ok=True)
        (kept / "config").write_text(config.read_text())

    async def _lxc_start(
        self, folder: DomainFolder, notes: Notes, foreign: Path | None, words: Sequence[str], timeout: float
    ) -> None:
        await run(
            "lxc-start", "-P", notes.path, "-n", notes.name, "-d", "-f", str(foreign or folder.config),
            "-l", "DEBUG", "-o", str(folder.log), "-p", str(folder.path / PID_FILE), *words, timeout=timeout,
        )  # fmt: skip

    def _found(self, folder: DomainFolder, notes: Notes, domain: Domain) -> Container:
        """The container that was just started."""
        text = (folder.path / PID_FILE).read_text().strip()
        monitor = Identity.of(int(text)) if text.isdigit() else None
        if monitor is None:
            raise HypervisorError("the container ended while it was starting", domain=folder.uuid)
        domain.id = monitor.pid
        container = Container(folder, notes, domain, self.host.observe, self.host.place.cgroups, monitor)
        container.look()
        container.note()
        container.rewrite()
        return container

    async def _undo(self, folder: DomainFolder, notes: Notes, container: Container | None) -> None:
        """Nothing of a failed start stays."""
        if container is not None:
            await container.kill()
            await container.sweep()
            container.close()
        else:
            await ask("lxc-stop", "-P", notes.path, "-n", notes.name, "-k", timeout=UNDO_LIMIT)
        await loops.release(notes.loops.values())
        words = folder.last_words()
        folder.remove()
        if words:
            folder.path.mkdir(parents=True, exist_ok=True)
            folder.log.write_text("\n".join(f" ERROR  - {word}" for word in words))

    def _why(self, folder: DomainFolder, error: HypervisorError, target: Target) -> VirtbusError:
        """The error of a failed start, in liblxc's own words."""
        words = folder.last_words()
        folder.remove()
        said = words[0] if words else error.message
        return HypervisorError(
            f"the container did not start: {said}", host=target.host, domain=target.uuid,
            hint="the definition asks for something that this host cannot give; LXC's words say what",
            evidence={**error.evidence, "answer": "\n".join(words) or error.message},
        )  # fmt: skip

    # ---- the container's own end ----

    async def shutdown(self, target: Target, work: Work) -> None:
        """See Lifecycle. LXC signals the first process: SIGPWR, or what systemd takes for it."""
        container = self.host.container(target)
        container.notes.shutdown = work.job
        container.note()
        if work.begun is None or work.begun.get("init") != str(container.init):
            await work.before_effect(init=str(container.init))
            await self._signal(container, work)
        await work.progress("waiting-for-guest")
        await work.until(_until_set(container.gone))

    async def reboot(self, target: Target, work: Work) -> None:
        """See Lifecycle. LXC signals the first process: SIGINT, or what systemd takes for it."""
        container = self.host.container(target)
        before = str(container.init) if work.begun is None else work.begun.get("init", str(container.init))
        if str(container.init) == before:
            await work.before_effect(init=before)
            await self._signal(container, work, "--reboot")
            await work.progress("waiting-for-guest")
            await container.told(lambda: str(container.booted) != before, work)

    async def _signal(self, container: Container, work: Work, *words: str) -> None:
        await work.until(run("lxc-stop", *container.where, "--nowait", "--nokill", *words, timeout=work.remaining()))

    # ---- at once ----

    async def reset(self, target: Target, work: Work) -> None:
        """See Lifecycle. The container's kernel part reboots without asking its first process."""
        container = self.host.container(target)
        before = str(container.init) if work.begun is None else work.begun.get("init", str(container.init))
        if str(container.init) != before:
            return
        await work.before_effect(init=before)
        if container.frozen:
            await work.until(run("lxc-unfreeze", *container.where, timeout=work.remaining()))
        await work.until(reset_container(container, timeout=work.remaining()))
        await container.told(lambda: str(container.booted) != before, work)

    async def destroy(self, target: Target, work: Work) -> None:
        """See Lifecycle. SIGKILL through a pidfd gets through where LXC's monitor answers nobody."""
        container = self.host.container(target)
        await work.before_effect()
        container.notes.destroyed = work.job
        container.note()
        await container.kill()
        await container.gone.wait()

    async def suspend(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        await work.before_effect()
        await self._freezer(self.host.container(target), work, frozen=True)

    async def resume(self, target: Target, work: Work) -> None:
        """See Lifecycle."""
        await work.before_effect()
        await self._freezer(self.host.container(target), work, frozen=False)

    async def _freezer(self, container: Container, work: Work, *, frozen: bool) -> None:
        if frozen:
            await work.until(freeze(container, work.remaining()))
        else:
            await work.until(run("lxc-unfreeze", *container.where, timeout=work.remaining()))
        container.poke()
        await container.told(lambda: container.frozen is frozen, work)


async def _until_set(event: asyncio.Event) -> None:
    await event.wait()
