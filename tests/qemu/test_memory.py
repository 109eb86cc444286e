"""The guest's memory: its sizes, what it is made of, and where it lies on the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.qemu import invented
from virtbus.domain import Domain
from virtbus.errors import ConfigUnsupported, InternalError
from virtbus_qemu import memoryfolders, memorysizes
from virtbus_qemu.command import context_of, memory, numa
from virtbus_qemu.settings import QemuSettings

SETTINGS = QemuSettings(hugepages={2048: Path("/huge/2M"), 1048576: Path("/huge/1G")}, numa_nodes=frozenset({0, 1}))


def domain(inner: str = "", *, devices: str = "", memory: str = "65536", arch: str = "x86_64") -> Domain:
    return Domain.parse(
        f"<domain type='qemu'><name>some-rather-long-name-of-a-guest</name><memory>{memory}</memory>{inner}"
        f"<os><type arch='{arch}' machine='pc-q35-7.2'>hvm</type></os><devices>{devices}</devices></domain>"
    )


def objects(wanted: Domain, *, node: int | None = None, main: bool = False) -> list[dict[str, Any]]:
    context = context_of(wanted, Path("/run/d"), invented.capabilities(), SETTINGS)
    piece = memory.Piece(id="ram", size=1024, node=node, main=main)
    return [dict(each.properties) for each in memory.backends(context, piece)]


RAM = {"qom-type": "memory-backend-ram", "id": "ram", "size": 1048576}
HUGE = {"qom-type": "memory-backend-file", "id": "ram", "mem-path": "/huge/2M/virtbus/qemu/-1-some-rather-long-nam"}


@pytest.mark.parametrize(
    ("inner", "made"),
    [
        ("", RAM),
        (
            "<memoryBacking><allocation mode='immediate' threads='3'/></memoryBacking>",
            {"prealloc": True, "prealloc-threads": 3} | RAM,
        ),
        ("<memoryBacking><hugepages/></memoryBacking>", {**HUGE, "prealloc": True, "size": 1048576}),
        (
            "<memoryBacking><hugepages/><source type='memfd'/><access mode='shared'/></memoryBacking>",
            {
                "qom-type": "memory-backend-memfd",
                "id": "ram",
                "hugetlb": True,
                "hugetlbsize": 2097152,
                "share": True,
                "prealloc": True,
                "size": 1048576,
            },
        ),
        (
            "<memoryBacking><source type='file'/><discard/></memoryBacking>",
            {
                "qom-type": "memory-backend-file",
                "id": "ram",
                "mem-path": "/var/lib/virtbus/qemu/ram/-1-some-rather-long-nam/ram",
                "discard-data": True,
                "size": 1048576,
            },
        ),
        (
            "<numatune><memory mode='interleave' nodeset='0-1'/></numatune>",
            RAM | {"host-nodes": [0, 1], "policy": "interleave"},
        ),
        ("<numatune><memory mode='restrictive' nodeset='0'/></numatune>", RAM),
        ("<memoryBacking><hugepages><page size='4' unit='KiB'/></hugepages></memoryBacking>", RAM),
    ],
)
def test_what_memory_is_made_of(inner: str, made: dict[str, Any]) -> None:
    assert objects(domain(inner)) == [made]


def test_pages_are_touched_on_their_own_node() -> None:
    inner = "<memoryBacking><hugepages/></memoryBacking><numatune><memory mode='strict' nodeset='1'/></numatune>"
    threads, ram = objects(domain(inner))
    assert threads == {"qom-type": "thread-context", "id": "tc-ram", "node-affinity": [1]}
    assert ram["prealloc-context"] == "tc-ram"


def test_a_node_has_its_own_pages_access_and_place() -> None:
    inner = (
        "<memoryBacking><hugepages><page size='1' unit='GiB' nodeset='1'/><page size='2' unit='MiB'/></hugepages>"
        "</memoryBacking><numatune><memnode cellid='1' mode='preferred' nodeset='0'/></numatune>"
        "<cpu><numa><cell id='0' cpus='0' memory='1024'/>"
        "<cell id='1' cpus='1' memory='1024' memAccess='shared'/></numa></cpu>"
    )
    ram = objects(domain(inner), node=1)[-1]
    assert ram["mem-path"].startswith("/huge/1G/")
    assert (ram["share"], ram["host-nodes"], ram["policy"]) == (True, [0], "preferred")
    plain = objects(domain(inner), node=0)[-1]
    assert plain["mem-path"].startswith("/huge/2M/")
    assert "share" not in plain


def test_names_of_blocks_of_main_memory_do_not_depend_on_the_object() -> None:
    shared = "<memoryBacking><source type='memfd'/></memoryBacking>"
    assert objects(domain(shared), main=True)[0]["x-use-canonical-path-for-ramblock-id"] is False


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        ("<numatune><memory mode='strict' nodeset='7'/></numatune>", "NUMA node 7 is unavailable"),
        (
            "<memoryBacking><hugepages><page size='16' unit='MiB'/></hugepages></memoryBacking>",
            "Unable to find any usable hugetlbfs mount for 16384 KiB",
        ),
    ],
)
def test_what_the_host_lacks_is_refused(inner: str, words: str) -> None:
    with pytest.raises((ConfigUnsupported, InternalError), match=words):
        objects(domain(inner))


DIMM = "<memory model='dimm'><target><size>{}</size></target></memory>"


@pytest.mark.parametrize(("arch", "initial", "module"), [("x86_64", 64512, 4096), ("ppc64", 262144, 262144)])
def test_a_start_rounds_sizes_up(arch: str, initial: int, module: int) -> None:
    running = domain(
        "<maxMemory slots='1'>1000001</maxMemory>", devices=DIMM.format(3000), memory=str(64000 + 3000), arch=arch
    )
    memorysizes.align(running)
    assert running.memory is not None
    assert running.memory.kib == initial + module
    assert running.devices.memories[0].target.size == module
    assert memory.initial(running) == initial


def test_a_new_domain_with_room_for_memory_gets_a_node() -> None:
    new = domain("<maxMemory slots='1'>1000000</maxMemory>", devices=DIMM.format(1536))
    memorysizes.renew(new)
    assert [cell.memory for cell in numa.cells(new)] == [64000]
    assert new.devices.memories[0].target.node == 0


def test_memory_beyond_what_can_be_counted_is_refused() -> None:
    cell = f"<cpu><numa><cell cpus='0' memory='{(1 << 53) - 1}'/></numa></cpu>"
    with pytest.raises(ConfigUnsupported, match="memory size of NUMA node '0' overflowed after alignment"):
        memorysizes.align(domain(cell))


def test_folders_of_file_memory_live_as_long_as_the_guest(tmp_path: Path) -> None:
    settings = QemuSettings(memory=tmp_path / "ram", hugepages={2048: tmp_path / "huge"})
    with_file = domain("<memoryBacking><source type='file'/></memoryBacking>")
    memoryfolders.create(domain(), settings)
    assert not (tmp_path / "ram").exists()
    memoryfolders.create(with_file, settings)
    made = [Path(each) for each in memory.folders(with_file, settings)]
    assert [each.is_dir() for each in made] == [True, True]
    memoryfolders.remove(with_file, settings)
    assert [each.exists() for each in made] == [False, False]
