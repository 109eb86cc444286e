"""A host's topology, caches and memory bandwidth, from an invented /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtbus.capabilities import Capabilities, Host, Sysfs
from virtbus.capabilities.sysfs import numbers, pretty, ranges
from virtbus.cpu import HostCpu

TREE = {
    "system/cpu/online": "0-1",
    "system/node/online": "0",
    "system/node/node0/cpulist": "0-2",
    "system/node/node0/distance": "10",
    "system/node/node0/meminfo": "Node 0 MemTotal:       1048576 kB\nNode 0 MemFree: 5 kB\n",
    "system/node/node0/hugepages/hugepages-2048kB/nr_hugepages": "3",
    "system/node/node0/memory_side_cache/index1/size": "131072",
    "system/node/node0/memory_side_cache/index1/indexing": "0",
    "system/node/node0/memory_side_cache/index1/write_policy": "1",
    "system/node/node0/memory_side_cache/index1/line_size": "16",
    "system/node/node0/access0/initiators/node0/x": "",
    "system/node/node0/access0/initiators/read_latency": "7",
    "system/node/node0/access0/initiators/write_bandwidth": "2",
    **{
        f"system/cpu/cpu{cpu}/{name}": value
        for cpu in (0, 1)
        for name, value in {
            "topology/physical_package_id": "0",
            "topology/die_id": "-1",
            "topology/core_id": str(cpu),
            "topology/thread_siblings_list": str(cpu),
            "cache/index0/level": "1",
            "cache/index0/size": "32K",
            "cache/index3/id": "4",
            "cache/index3/level": "3",
            "cache/index3/type": "Unified",
            "cache/index3/size": "3072K",
            "cache/index3/shared_cpu_list": "0-1",
        }.items()
    },
    "resctrl/info/L3CODE/cbm_mask": "f",
    "resctrl/info/L3CODE/min_cbm_bits": "2",
    "resctrl/info/L3CODE/num_closids": "8",
    "resctrl/info/MB/bandwidth_gran": "10",
    "resctrl/info/MB/min_bandwidth": "20",
    "resctrl/info/MB/num_closids": "4",
    "resctrl/info/L3_MON/mon_features": "llc_occupancy\nmbm_total_bytes\n",
    "resctrl/info/L3_MON/num_rmids": "16",
    "resctrl/info/L3_MON/max_threshold_occupancy": "4096",
}


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    for name, text in TREE.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Sysfs(tmp_path / "system", tmp_path / "resctrl")


def test_a_node_has_its_memory_pages_and_processors(sysfs: Sysfs) -> None:
    topology = sysfs.topology()
    assert topology is not None
    [cell] = topology.cells.cells
    assert cell.memory is not None
    assert cell.memory.size == 1048576
    assert {pages.size: pages.count for pages in cell.pages} == {4: (1048576 - 3 * 2048) // 4, 2048: 3}
    assert [cpu.id for cpu in cell.cpus.cpus] == [0, 1, 2]
    assert (cell.cpus.cpus[1].core_id, cell.cpus.cpus[1].die_id) == (1, 0)


def test_a_processor_that_is_offline_has_only_its_number(sysfs: Sysfs) -> None:
    topology = sysfs.topology()
    assert topology is not None
    last = topology.cells.cells[0].cpus.cpus[-1]
    assert (last.id, last.socket_id, last.siblings) == (2, None, None)


def test_memory_side_caches_and_the_ways_to_memory_are_told(sysfs: Sysfs) -> None:
    topology = sysfs.topology()
    assert topology is not None
    [cache] = topology.cells.cells[0].caches
    assert cache.size is not None
    assert (cache.associativity, cache.policy) == ("direct", "writethrough")
    assert (cache.size.value, cache.size.unit) == (128, "KiB")
    assert topology.interconnects is not None
    assert [(each.type, each.value) for each in topology.interconnects.latencies] == [("read", 7)]
    assert [(each.type, each.value) for each in topology.interconnects.bandwidths] == [("write", 2048)]


def test_a_shared_cache_is_one_bank_with_its_portions(sysfs: Sysfs) -> None:
    caches = sysfs.caches()
    assert caches is not None
    [bank] = caches.banks
    assert (bank.id, bank.level, bank.size, bank.unit, bank.cpus) == (4, 3, 3, "MiB", "0-1")
    [control] = bank.controls
    assert (control.granularity, control.min, control.unit, control.type) == (768, 1536, "KiB", "code")
    assert caches.monitor is not None
    assert [feature.name for feature in caches.monitor.features] == ["llc_occupancy"]


def test_memory_bandwidth_is_given_out_per_last_level_cache(sysfs: Sysfs) -> None:
    bandwidth = sysfs.memory_bandwidth(sysfs.caches())
    assert bandwidth is not None
    [node] = bandwidth.nodes
    assert node.control is not None
    assert (node.id, node.control.granularity, node.control.min, node.control.max_allocs) == (4, 10, 20, 4)
    assert bandwidth.monitor is not None
    assert bandwidth.monitor.max_monitors == 16


def test_an_empty_tree_says_nothing(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path)
    assert sysfs.topology() is None
    assert sysfs.caches() is None
    assert sysfs.memory_bandwidth(None) is None


def test_the_document_can_be_read_again(sysfs: Sysfs) -> None:
    host = Host(cpu=HostCpu(arch="x86_64"), topology=sysfs.topology(), cache=sysfs.caches())
    written = Capabilities(host=host).format()
    assert Capabilities.parse(written).format() == written


def test_lists_of_numbers_go_both_ways() -> None:
    assert numbers("0-3,8\n") == [0, 1, 2, 3, 8]
    assert ranges([8, 3, 2, 1, 0]) == "0-3,8"
    assert [pretty(size) for size in (0, 1000, 3 * 1024, 1024**3)] == [(0, "B"), (1000, "B"), (3, "KiB"), (1, "GiB")]
