"""LXC's configuration: read in both formats, written in today's, and the same after a round."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from virtbus.domain import Domain
from virtbus.errors import ConfigUnsupported, XmlError, XmlInternal
from virtbus_lxc.cgroups import Layout
from virtbus_lxc.config import read_config, write_config
from virtbus_lxc.config.settings import Settings
from virtbus_lxc.config.sizes import parse_size
from virtbus_lxc.config.writing import Place
from virtbus_lxc.definition import fill
from virtbus_lxc.folder import Ending, read_ending

ROOT = "lxc.rootfs.path = /srv/web\n"
ID = UUID("0d7f3c3a-5a39-4a2f-8f3e-3c9d1c3f5b10")
FIRST = Layout({name: Path("/sys/fs/cgroup") / name for name in ("memory", "cpu", "cpuset", "devices", "blkio")})
SECOND = Layout({}, Path("/sys/fs/cgroup"))

DOCUMENT = """<domain type='lxc'>
  <name>web</name>
  <uuid>0d7f3c3a-5a39-4a2f-8f3e-3c9d1c3f5b10</uuid>
  <memory unit='MiB'>128</memory>
  <memtune><hard_limit unit='MiB'>128</hard_limit><soft_limit unit='MiB'>64</soft_limit></memtune>
  <vcpu cpuset='0-1'>4</vcpu>
  <cputune><shares>2048</shares><period>50000</period><quota>25000</quota></cputune>
  <blkiotune><weight>500</weight>
    <device><path>/dev/block/8:0</path><read_bytes_sec>1000</read_bytes_sec></device></blkiotune>
  <os><type arch='x86_64'>exe</type><init>/bin/start</init><initarg>--quiet</initarg>
    <initenv name='A'>b c</initenv></os>
  <idmap><uid start='0' target='100000' count='1000'/><gid start='0' target='100000' count='1000'/></idmap>
  <features><capabilities policy='allow'><chown state='off'/></capabilities></features>
  <devices>
    <filesystem type='mount' accessmode='passthrough'><source dir='/srv/web'/><target dir='/'/></filesystem>
    <filesystem type='mount' accessmode='passthrough'><source dir='/srv/with blank'/><target dir='/mnt/x y'/>
      <readonly/></filesystem>
    <filesystem type='ram' accessmode='passthrough'><source usage='2048' units='KiB'/><target dir='/scratch'/>
      </filesystem>
    <interface type='bridge'><mac address='00:16:3e:00:00:01'/><source bridge='br0'/>
      <ip address='192.0.2.5' family='ipv4' prefix='24'/>
      <route family='ipv4' address='0.0.0.0' gateway='192.0.2.1'/>
      <target dev='web0'/><guest dev='eth0'/><link state='up'/><mtu size='1400'/></interface>
    <interface type='direct'><mac address='00:16:3e:00:00:02'/><source dev='eth0' mode='vepa'/><link state='up'/>
      </interface>
    <hostdev mode='capabilities' type='net'><source><interface>eth1</interface></source></hostdev>
  </devices>
</domain>
"""


def completed(text: str) -> Domain:
    domain = Domain.parse(text)
    fill(domain)
    return domain


@pytest.mark.parametrize("layout", [FIRST, SECOND], ids=["cgroups-1", "cgroups-2"])
def test_a_domain_comes_back_as_it_was_written(layout: Layout) -> None:
    domain = completed(DOCUMENT)
    assert domain.vcpu is not None
    read = read_config(write_config(domain, Place(layout, processors=8)), ID)
    fill(read)
    # LXC counts no virtual processors and says nothing of terminals that are not there; what is one is the other's.
    assert read.vcpu is not None
    read.vcpu.count = domain.vcpu.count
    assert read.os is not None
    read.os.init_variables = read.os.init_variables[1:]
    for part in ("blkiotune", "cputune") if layout is SECOND else ():
        # Weights and the limits of devices are other numbers in version 2.
        setattr(read, part, getattr(domain, part))
    assert read.format() == domain.format()


def test_both_formats_say_the_same() -> None:
    old = """lxc.utsname = web
lxc.rootfs = /srv/web
lxc.tty = 1
lxc.id_map = u 0 100000 10
lxc.network.type = veth
lxc.network.link = br0
lxc.network.ipv4 = 192.0.2.5/24
lxc.network.type = empty
"""
    new = """lxc.uts.name = web
lxc.rootfs.path = dir:/srv/web
lxc.tty.max = 1
lxc.idmap = u 0 100000 10
lxc.net.3.ipv4.address = 192.0.2.5/24
lxc.net.3.type = veth
lxc.net.3.link = br0
"""
    assert read_config(old, ID).format() == read_config(new, ID).format()


@pytest.mark.parametrize(("line", "start", "target"), [("u 0 100000 10", 0, 100000), ("u 100000 0 10", 0, 100000)])
def test_the_hosts_root_is_nobody_of_a_containers_whichever_number_comes_first(
    line: str, start: int, target: int
) -> None:
    idmap = read_config(f"{ROOT}lxc.idmap = {line}\n").idmap
    assert idmap is not None
    assert (idmap.uids[0].start, idmap.uids[0].target, idmap.uids[0].count) == (start, target, 10)


@pytest.mark.parametrize(
    ("line", "words"),
    [("lxc.mount.fstab = /x", "use lxc.mount.entry"), ("lxc.mount = /x", "use lxc.mount.entry"),
     ("lxc.mount.entry = tmpfs run tmpfs defaults 0 0", "size"), ("lxc.mount.entry = one two", "mount entry"),
     ("lxc.idmap = u one", "id_map"), ("lxc.cgroup.cpu.shares = many", "integer"), ("lxc.tty.max = x", "tty"),
     ("lxc.cgroup.cpuset.cpus = 1-x", "bitmap"), ("lxc.cgroup.memory.limit_in_bytes = 1x", "size"),
     ("lxc.cgroup.blkio.device_weight = 8:0", "weight"), ("lxc.net.0.type = phys", "link"),
     ("nonsense", "no setting")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(line: str, words: str) -> None:
    with pytest.raises((ConfigUnsupported, XmlInternal, XmlError), match=words):
        read_config(f"{ROOT}{line}\n")


def test_a_configuration_without_a_root_is_refused() -> None:
    with pytest.raises(XmlInternal, match="rootfs"):
        read_config("lxc.uts.name = web\n")


def test_an_empty_value_forgets_those_before_it() -> None:
    settings = Settings("lxc.cap.drop = a\nlxc.cap.drop =\nlxc.cap.drop = b\n")
    assert settings.all("lxc.cap.drop") == ["b"]


@pytest.mark.parametrize(("text", "size"), [("10", 10), ("2k", 2048), ("8m", 8 << 20), ("1G", 1 << 30)])
def test_sizes_have_tmpfs_suffixes(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_a_value_of_two_lines_cannot_be_written() -> None:
    domain = completed(DOCUMENT.replace("b c", "b&#10;lxc.hook.start = /evil"))
    with pytest.raises(ConfigUnsupported):
        write_config(domain, Place(FIRST, 8))


LOG = """lxc-start x 20260101000000.000 NOTICE   start - start.c:start:2194 - Exec'ing "/sbin/init"
lxc-start x 20260101000000.000 DEBUG    start - start.c:signal_handler:464 - Container init process 5 exited
"""


@pytest.mark.parametrize(
    ("said", "signal"),
    [('Interrupt(2) - Container "x" is halting', 2), ('Killed(9) - Container "x" init exited', 9),
     ('Hangup(1) - Container "x" is rebooting', 1), ("", None)],
)  # fmt: skip
def test_the_log_tells_how_the_last_boot_ended(said: str, signal: int | None) -> None:
    line = f"lxc-start x 20260101000000.000 DEBUG    start - start.c:__lxc_start:2140 - {said}\n" if said else ""
    assert read_ending(LOG + line) == Ending(told=True, signal=signal)
    assert read_ending(LOG + line + LOG.splitlines()[0]) == Ending(told=False)
