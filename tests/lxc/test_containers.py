"""Real containers: what they are started with, how they end, and what is left of them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.guests.containers import AWAKE, reboot
from tests.lxc.parts import Worker, lxc
from tests.simulated.parts import Attempt
from virtbus.domain import Domain, parse_device
from virtbus.driver import Target
from virtbus.errors import ConfigUnsupported, HypervisorError
from virtbus.observations import Rebooted, Resumed, Stopped, Suspended
from virtbus.state import DomainState
from virtbus_lxc.container import Container

IDMAP = "<idmap><uid start='0' target='100000' count='65536'/><gid start='0' target='100000' count='65536'/></idmap>"
STATUS = "CapBnd:"


def container(worker: Worker, target: Target) -> Container:
    return worker.driver.host.containers[target.uuid]


def init(worker: Worker, target: Target) -> int:
    found = container(worker, target).init
    assert found is not None
    return found.pid


def given_away(root: Path, owner: int) -> Path:
    """The root as its container's own user 0 has it."""
    for path in [root, *root.rglob("*")]:
        os.chown(path, owner, owner, follow_symlinks=False)
    return root


async def test_a_container_with_an_id_map_is_nobody_on_the_host(worker: Worker) -> None:
    root = given_away(worker.root("mapped"), 100000)
    # What leads to the root must be open to that user.
    for path in (worker.folder, root.parent):
        path.chmod(0o755)
    target = await worker.boot(worker.definition("mapped", more=IDMAP))
    assert Path(f"/proc/{init(worker, target)}").stat().st_uid == 100000
    assert (await worker.run(target, "id", "-u")).output == "0\n"
    filesystem = "<filesystem type='mount'><source dir='/etc'/><target dir='/mnt/etc'/></filesystem>"
    await worker.driver.attach(target, parse_device(filesystem), Attempt())
    assert "passwd" in (await worker.run(target, "ls", "/mnt/etc")).output


async def test_the_first_process_gets_its_words_variables_and_user(worker: Worker) -> None:
    script = '#!/bin/sh\nid -u; echo "$1 $FOO"; pwd; echo GUEST-READY; while :; do sleep 1; done\n'
    root = worker.root("user", script)
    (root / "tmp").chmod(0o777)
    os = "<init>/sbin/init</init><initarg>one two</initarg><initenv name='FOO'>b a r</initenv><initdir>/tmp</initdir>"
    definition = worker.definition("user", os=f"{os}<inituser>tester</inituser><initgroup>tester</initgroup>")
    await worker.boot(definition)
    assert Path(f"{root}.console").read_text().split() == ["1234", "one", "two", "b", "a", "r", "/tmp", "GUEST-READY"]


async def test_an_unknown_user_is_refused_and_nothing_is_left(worker: Worker) -> None:
    definition = worker.definition(os="<inituser>stranger</inituser>")
    with pytest.raises(ConfigUnsupported, match="stranger"):
        await worker.boot(definition)
    assert not list((worker.folder / "run/containers").iterdir())


@pytest.mark.parametrize(
    ("policy", "has", "lacks"),
    [("<capabilities policy='default'><mknod state='on'/></capabilities>", [27, 21], [16, 25]),
     ("<capabilities policy='allow'><chown state='off'/></capabilities>", [16, 27], [0]),
     ("<capabilities policy='deny'><kill state='on'/><sys_admin state='on'/></capabilities>", [5, 21], [0, 27])],
)  # fmt: skip
async def test_capabilities_are_as_their_policy_says(
    worker: Worker, policy: str, has: list[int], lacks: list[int]
) -> None:
    target = await worker.boot(worker.definition(more=f"<features>{policy}</features>"))
    lines = Path(f"/proc/{init(worker, target)}/status").read_text().splitlines()
    bound = int(next(line for line in lines if line.startswith(STATUS)).split()[1], 16)
    assert [number for number in has if bound >> number & 1] == has
    assert [number for number in lacks if bound >> number & 1] == []


async def test_limits_are_those_of_the_definition_and_of_what_was_set_since(worker: Worker) -> None:
    definition = worker.definition(more="<cputune><shares>512</shares><quota>20000</quota></cputune>")
    target = await worker.boot(definition)
    cgroup = container(worker, target).cgroup
    assert cgroup is not None
    layout = cgroup.layout
    assert cgroup.number("memory", layout.memory_limit) == 64 * 1024**2
    assert cgroup.number("cpu", layout.cpu_weight) == layout.weight_of(512)
    assert "20000" in (cgroup.read("cpu", "cpu.max" if layout.is_second("cpu") else "cpu.cfs_quota_us") or "")
    await worker.driver.set_memory(target, 32 * 1024, Attempt())
    assert cgroup.number("memory", layout.memory_limit) == 32 * 1024**2


async def test_a_start_that_fails_says_why_in_lxcs_words_and_leaves_nothing(worker: Worker) -> None:
    definition = worker.definition(os="<init>/sbin/absent</init>")
    with pytest.raises(HypervisorError, match=r"absent|exec") as caught:
        await worker.boot(definition)
    assert caught.value.hint
    assert "Started" not in worker.kinds()
    assert not list((worker.folder / "run/containers").iterdir())
    assert not list(Path("/sys/fs/cgroup").glob(f"**/lxc.payload.{definition.uuid}"))


async def test_what_a_killed_monitor_leaves_is_swept_away_and_told_as_failed(worker: Worker) -> None:
    target = await worker.boot(worker.definition())
    served = container(worker, target)
    first = served.first_process()
    os.kill(served.monitor.pid, signal.SIGKILL)
    assert (await worker.wait(Stopped)).detail == "failed"
    assert not first.alive()
    assert not list(Path("/sys/fs/cgroup").glob(f"*/lxc.*.{target.uuid}"))
    await worker.boot(worker.definitions[target.uuid], ready=False)


async def test_what_lxc_does_behind_our_back_is_told(worker: Worker) -> None:
    target = await worker.boot(worker.definition())
    where = container(worker, target).where
    lxc("lxc-freeze", *where)
    await worker.wait(Suspended)
    lxc("lxc-unfreeze", *where)
    await worker.wait(Resumed)
    reboot(init(worker, target))
    await worker.wait(Rebooted)
    lxc("lxc-stop", *where, "-k")
    assert (await worker.wait(Stopped)).detail == "failed"


async def test_nothing_is_lost_when_lxc_monitor_ends(worker: Worker) -> None:
    target = await worker.boot(worker.definition())
    listeners = [
        int(entry.name) for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (words := _words(entry)) and words[0].endswith("lxc-monitor")
        and str(worker.folder / "state/lxc").encode() in b" ".join(word.encode() for word in words)
    ]  # fmt: skip
    assert len(listeners) == 1
    os.kill(listeners[0], signal.SIGKILL)
    lxc("lxc-freeze", *container(worker, target).where)
    await worker.wait(Suspended)


def _words(entry: Path) -> list[str]:
    try:
        return (entry / "cmdline").read_text().split("\0")
    except OSError:
        return []


async def again(worker: Worker) -> Worker:
    """The next worker on the same host."""
    await worker.stop()
    return await Worker(worker.folder).start(worker.known())


async def test_a_worker_finds_its_containers_again_with_what_they_did_meanwhile(worker: Worker) -> None:
    rebooted, paused, ended = [await worker.boot(worker.definition(name)) for name in ("a", "b", "c")]
    marks = {target.uuid: container(worker, target).incarnation for target in (rebooted, paused, ended)}
    pid, where = init(worker, rebooted), container(worker, paused).where
    last = init(worker, ended)
    watched = container(worker, ended).monitor
    known = worker.known()
    await worker.stop()
    reboot(pid)
    lxc("lxc-freeze", *where)
    os.kill(last, signal.SIGPWR)
    async with asyncio.timeout(20):
        while watched.alive():
            await asyncio.sleep(0.01)
    next_worker = await Worker(worker.folder).start(known)
    try:
        found = {one.domain: one for one in next_worker.inventory}
        assert {uuid: found[uuid].incarnation for uuid in (rebooted.uuid, paused.uuid)} == {
            uuid: marks[uuid] for uuid in (rebooted.uuid, paused.uuid)
        }
        assert [type(one) for one in found[rebooted.uuid].missed] == [Rebooted]
        assert found[paused.uuid].state is DomainState.PAUSED
        assert [type(one).__name__ for one in found[ended.uuid].missed] == ["PoweredOff", "Stopped"]
        await next_worker.clear()
    finally:
        await next_worker.stop()
        await worker.start()


async def test_a_reboot_keeps_what_was_changed_since_the_start(worker: Worker) -> None:
    nic = "<interface type='ethernet'><mac address='00:16:3e:00:00:0{0}'/><guest dev='lan{0}'/><alias name='ua-{0}'/>"
    old, new = (parse_device(f"{nic.format(number)}</interface>") for number in (1, 2))
    target = await worker.boot(worker.definition(devices=old.format()))
    await worker.driver.attach(target, new, Attempt())
    await worker.driver.detach(worker.target(target.uuid), "ua-1", Attempt())
    await worker.driver.set_memory(target, 32 * 1024, Attempt())
    await worker.driver.reset(target, Attempt())
    assert sorted((await worker.run(target, "ls", "/sys/class/net")).output.split()) == ["lan2", "lo"]
    cgroup = container(worker, target).cgroup
    assert cgroup is not None
    assert cgroup.number("memory", cgroup.layout.memory_limit) == 32 * 1024**2


async def test_a_container_that_shares_the_hosts_network_has_no_other(worker: Worker) -> None:
    target = await worker.boot(worker.definition())
    assert os.readlink(f"/proc/{init(worker, target)}/ns/net") == os.readlink("/proc/self/ns/net")
    private = await worker.boot(worker.definition("alone", more="<features><privnet/></features>"))
    assert os.readlink(f"/proc/{init(worker, private)}/ns/net") != os.readlink("/proc/self/ns/net")


async def test_a_snapshot_brings_the_files_back(worker: Worker) -> None:
    definition = worker.definition()
    assert definition.uuid is not None
    root = worker.root("vm")
    (root / "root/kept").write_text("old")
    await worker.driver.create_snapshot(worker.target(definition.uuid), "s", "", Attempt(), disks_only=False)
    (root / "root/kept").write_text("new")
    (root / "root/more").write_text("new")
    target = await worker.boot(definition)
    await worker.driver.revert_snapshot(target, "s", Attempt())
    assert (await worker.wait(Stopped)).detail == "from-snapshot"
    assert (root / "root/kept").read_text() == "old"
    assert not (root / "root/more").exists()
    assert "snap0" in lxc("lxc-snapshot", "-P", str(worker.folder / "state/lxc"), "-n", str(definition.uuid), "-L")


# ---- containers that others made ----


def made(worker: Worker, name: str, more: str = "") -> Path:
    """A container made with lxc-create; returns the folder in which LXC has it."""
    found = worker.folder / "found"
    found.mkdir(exist_ok=True)
    config = worker.folder / "template"
    config.write_text(f"lxc.net.0.type = empty\nlxc.init.cmd = /sbin/init\n{more}")
    lxc("lxc-create", "-P", str(found), "-n", name, "-t", "none", "-f", str(config))
    root = found / name / "rootfs"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(worker.root(f"{name}-root", AWAKE), root, symlinks=True)
    with (found / name / "config").open("a") as text:
        text.write(f"lxc.rootfs.path = dir:{root}\nlxc.uts.name = {name}\n")
    return found


async def test_a_container_of_others_is_taken_over_as_it_is(worker: Worker) -> None:
    found = made(worker, "theirs", "lxc.cgroup.memory.limit_in_bytes = 64M\n# kept\n")
    before = (found / "theirs/config").read_text()
    other = await again(worker)
    try:
        seen = next(one for one in other.inventory if one.name == "theirs")
        assert (seen.state, seen.live) == (DomainState.SHUTOFF, None)
        assert seen.persistent is not None
        assert seen.persistent.memory is not None
        assert seen.persistent.memory.kib == 64 * 1024
        await other.boot(seen.persistent, ready=False)
        assert "RUNNING" in lxc("lxc-info", "-P", str(found), "-n", "theirs", "-s")
        assert (found / "theirs/config").read_text() == before
        await other.clear()
    finally:
        await other.stop()
        await worker.start()


async def test_a_running_container_of_others_is_served(worker: Worker) -> None:
    found = made(worker, "theirs")
    lxc("lxc-start", "-P", str(found), "-n", "theirs", "-d")
    other = await again(worker)
    try:
        seen = next(one for one in other.inventory if one.name == "theirs")
        assert seen.state is DomainState.RUNNING
        assert seen.live is not None
        target = other.target(seen.domain)
        await other.driver.suspend(target, Attempt())
        assert "FROZEN" in lxc("lxc-info", "-P", str(found), "-n", "theirs", "-s")
        await other.driver.destroy(target, Attempt())
        assert "STOPPED" in lxc("lxc-info", "-P", str(found), "-n", "theirs", "-s")
    finally:
        await other.clear()
        await other.stop()
        await worker.start()


async def test_a_container_of_others_that_makes_no_sense_hides_no_other(worker: Worker) -> None:
    made(worker, "good")
    broken = worker.folder / "found/broken"
    broken.mkdir()
    (broken / "config").write_text("this is no setting\n")
    names = {one.name for one in await worker.driver.inventory({})}
    assert names == {"good"}


def test_a_domain_of_another_family_is_refused(folder: Path) -> None:
    worker = Worker(folder)
    for xml in (
        "<domain type='kvm'><name>x</name><devices/></domain>",
        "<domain type='lxc'><name>x</name><os><type>hvm</type></os><devices/></domain>",
        "<domain type='lxc'><name>x</name><memory>65536</memory><os><type>exe</type></os><devices/></domain>",
    ):
        with pytest.raises(ConfigUnsupported) as caught:
            worker.driver.complete(Domain.parse(xml), None)
        assert caught.value.evidence["path"].startswith("/domain")
