"""The metrics: parsable, complete, and undisturbed by whoever does not answer."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any
from uuid import UUID, uuid4

from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.conftest import HOST, RUNNING, Scene, settle
from virtbus.metrics import SERIES, DomainRow, HostRow, number, render
from virtbus.state import DomainState

UUID_ = UUID("11111111-2222-3333-4444-555555555555")

STATS: dict[str, Any] = {
    "state.state": 1,
    "state.reason": 1,
    "cpu.time": 1_500_000_000,
    "cpu.user": 500_000_000,
    "cpu.system": 250_000_000,
    "balloon.current": 65536,
    "balloon.maximum": 131072,
    "balloon.rss": 1000,
    "balloon.unused": 4,
    "balloon.available": 8,
    "balloon.usable": 6,
    "balloon.disk_caches": 2,
    "balloon.swap_in": 1,
    "balloon.swap_out": 1,
    "balloon.major_fault": 3,
    "balloon.minor_fault": 4,
    "vcpu.current": 2,
    "vcpu.maximum": 4,
    "vcpu.0.state": 1,
    "vcpu.0.time": 1_000_000_000,
    "vcpu.0.wait": 1,
    "vcpu.0.delay": 2_000_000_000,
    "net.count": 1,
    "net.0.name": "tap0",
    **{f"net.0.{way}.{what}": 7 for way in ("rx", "tx") for what in ("bytes", "pkts", "errs", "drop")},
    "block.count": 1,
    "block.0.name": "vda",
    "block.0.path": "/images/a.img",
    **{f"block.0.{what}.{unit}": 9 for what in ("rd", "wr") for unit in ("bytes", "reqs", "times")},
    "block.0.fl.reqs": 1,
    "block.0.fl.times": 1,
    "block.0.allocation": 1,
    "block.0.capacity": 1073741824,
    "block.0.physical": 1,
}


def host(*domains: DomainRow, **fields: Any) -> HostRow:
    known = {"name": HOST, "family": "qemu", "version": "QEMU 7.2", "served": True, "answered": True, "silence": 0.5}
    return HostRow(**(known | fields), domains=domains)


def domain(**fields: Any) -> DomainRow:
    known: dict[str, Any] = {"name": "web", "uuid": str(UUID_), "state": DomainState.RUNNING, "stats": STATS}
    return DomainRow(**(known | fields))


def samples(text: bytes) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def test_every_series_of_the_table_is_written_with_type_and_help() -> None:
    text = render([host(domain())])
    families = {family.name: family for family in text_string_to_metric_families(text.decode())}
    for series in SERIES:
        name = series.name.removesuffix("_total") if series.kind == "counter" else series.name
        assert families[name].type == series.kind, series.name
        assert families[name].documentation
        assert families[name].samples, series.name


def test_values_have_the_units_of_their_names() -> None:
    found = samples(render([host(domain())]))
    labels = {"domain": "web", "host": HOST, "uuid": str(UUID_)}
    for name, extra, value in (
        ("libvirt_domain_info_cpu_time_seconds_total", {}, 1.5),
        ("libvirt_domain_info_memory_usage_bytes", {}, 65536 * 1024),
        ("libvirt_domain_info_maximum_memory_bytes", {}, 131072 * 1024),
        ("libvirt_domain_info_virtual_cpus", {}, 2),
        ("libvirt_domain_info_vstate", {}, 1),
        ("libvirt_domain_timed_out", {}, 0),
        ("libvirt_domain_vcpu_delay_seconds_total", {"vcpu": "0"}, 2),
        ("libvirt_domain_block_stats_capacity_bytes", {"target_device": "vda"}, 1073741824),
        ("libvirt_domain_interface_stats_receive_drops_total", {"target_device": "tap0"}, 7),
        ("virtbus_domain_state", {"state": "running"}, 1),
    ):
        assert found[name] == [(labels | extra, value)], name


def test_labels_are_sorted_and_escaped() -> None:
    text = render([host(domain(name='a"b\\c\nd'))])
    assert samples(text)["libvirt_domain_timed_out"][0][0]["domain"] == 'a"b\\c\nd'
    for line in text.decode().splitlines():
        if not line.startswith("#"):
            names = re.findall(r'(\w+)="', line.partition("{")[2])
            assert names == sorted(names), line


def test_a_domain_that_is_off_shows_what_the_record_knows() -> None:
    off = domain(state=DomainState.SHUTOFF, stats={}, vcpus=3, memory=2048, pending=1)
    found = samples(render([host(off)]))
    assert found["libvirt_domain_info_virtual_cpus"][0][1] == 3
    assert found["libvirt_domain_info_maximum_memory_bytes"][0][1] == 2048 * 1024
    assert found["libvirt_domain_info_vstate"][0][1] == 5
    assert found["virtbus_domain_pending_removals"][0][1] == 1
    assert "libvirt_domain_info_cpu_time_seconds_total" not in found
    assert {labels["state"]: value for labels, value in found["virtbus_host_domains"]}["shutoff"] == 1


def test_numbers_are_written_as_the_format_has_them() -> None:
    assert [number(one) for one in (1, 1.5, True, 2**60, float("inf"), float("nan"))] == [
        "1", "1.5", "1", str(2**60), "+Inf", "NaN",
    ]  # fmt: skip


def test_ten_thousand_domains_are_written_in_a_fraction_of_a_second() -> None:
    rows = [host(*(domain(name=f"vm-{one}", uuid=str(UUID(int=one))) for one in range(10_000)))]
    began = time.perf_counter()
    text = render(rows)
    print(f"{text.count(b'vm-')} samples in {time.perf_counter() - began:.2f} s")
    assert text.count(b"\nlibvirt_domain_timed_out{") == 10_000


async def test_a_scrape_shows_hosts_that_answer_and_those_that_do_not(scene: Scene) -> None:
    await scene.host()
    await scene.host("lab-2")
    await scene.host("lab-3")
    for name in (HOST, "lab-2"):
        await scene.session(name)
    good = await scene.domain("good", **RUNNING)
    hung = await scene.domain("hung", **RUNNING)
    lost = await scene.domain("lost", host="lab-2", **RUNNING)
    await settle(scene, lost)

    async def measure(arguments: dict[str, Any]) -> dict[str, Any]:
        return {
            "domains": [
                {"uuid": str(good.uuid), "name": "good", "stats": STATS},
                {"uuid": str(hung.uuid), "name": "hung", "timed_out": True, "stats": {"state.state": 1}},
            ]
        }

    async def hang(arguments: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    client = scene.client("viewer")
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[Any]] = []

        def start(work: Any) -> None:
            tasks.append(group.create_task(work))

        services = [
            await scene.bus.queries.serve(HOST, {"host.stats": measure}, start),
            await scene.bus.queries.serve("lab-2", {"host.stats": hang}, start),
        ]
        async with asyncio.timeout(5):
            while not (await client.get("/v1/hosts/lab-2")).json()["served"]:
                pass
        began = time.perf_counter()
        answer = await client.get("/metrics")
        assert time.perf_counter() - began < 3
        for service in services:
            await service.stop()
        for task in tasks:
            task.cancel()
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.content)
    assert {labels["host"]: value for labels, value in found["libvirt_up"]} == {HOST: 1, "lab-2": 0, "lab-3": 0}
    assert {labels["host"]: value for labels, value in found["virtbus_host_up"]} == {HOST: 1, "lab-2": 1, "lab-3": 0}
    silent = {labels["domain"]: value for labels, value in found["libvirt_domain_timed_out"]}
    assert silent == {"good": 0, "hung": 1, "lost": 1}
    assert found["libvirt_domain_info_cpu_time_seconds_total"][0][0]["domain"] == "good"
    assert any(labels["route"] == "/v1/hosts/{host}" for labels, _ in found["virtbus_http_requests_total"])


async def test_metrics_need_a_token_unless_they_are_open(scene: Scene) -> None:
    assert (await scene.client(token="nobody").get("/metrics")).status_code == 401
    assert (await scene.client("viewer").get("/metrics")).status_code == 200


async def test_accepted_jobs_are_counted_by_operation(scene: Scene) -> None:
    await scene.host()
    one = await scene.domain()
    client = scene.client()

    async def counted() -> float:
        found = samples((await client.get("/metrics")).content).get("virtbus_jobs_accepted_total", [])
        return sum(value for labels, value in found if labels["operation"] == "domain.reset")

    before = await counted()
    for _ in range(2):
        await client.post(f"/v1/domains/{one.uuid}/reset", headers={"Idempotency-Key": str(one.uuid)})
    await client.post(f"/v1/domains/{uuid4()}/reset")
    assert await counted() == before + 1
