"""The figures of hosts and domains in Prometheus's text format, under the names that libvirt's exporters share.

prometheus-client takes seconds for the series of ten thousand domains; text made from one table and a label block for
each domain takes a tenth. Labels stand in the order of their names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from virtbus.state import DomainState

Value = int | float | bool
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DomainRow:
    """A domain as it is measured."""

    name: str
    uuid: str
    state: DomainState
    vcpus: int = 0
    memory: int = 0
    """KiB: what the record knows, for a domain that was not measured."""
    pending: int = 0
    """Removals that the guest has not answered."""
    timed_out: bool = False
    stats: Mapping[str, Any] = field(default_factory=dict)
    """Under the names of virConnectGetAllDomainStats."""


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host with its domains."""

    name: str
    family: str
    version: str
    served: bool
    """Whether a worker owns it."""
    answered: bool
    """Whether that worker answered this time."""
    silence: float | None
    """Seconds since the worker was last heard of."""
    domains: Sequence[DomainRow] = ()


Scope = Literal["host", "domain", "block", "net", "vcpu"]
"""What a series has a sample for: `block`, `net` and `vcpu` count within a domain's statistics."""


@dataclass(frozen=True, slots=True)
class Series:
    """One metric: its name, what it means, and where its value comes from."""

    name: str
    kind: Literal["gauge", "counter"]
    scope: Scope
    help: str
    stat: str = ""
    """The statistic it shows; empty: made by hand below. In a counted group it follows the group's number."""
    factor: float = 1


KIB = 1024
NANOSECOND = 1e-9

_DOMAIN = "libvirt_domain_"
_BLOCK = _DOMAIN + "block_stats_"
_NET = _DOMAIN + "interface_stats_"
_MEMORY = _DOMAIN + "memory_stats_"
_VCPU = _DOMAIN + "vcpu_"

SERIES: tuple[Series, ...] = (
    Series("libvirt_up", "gauge", "host", "Whether the host's worker answered this scrape"),
    Series("virtbus_host_up", "gauge", "host", "Whether a worker with a living session owns the host"),
    Series("virtbus_host_last_seen_seconds", "gauge", "host", "Seconds since the host's worker was last heard of"),
    Series("virtbus_host_info", "gauge", "host", "The host's hypervisor family and version, always 1"),
    Series("virtbus_host_domains", "gauge", "host", "Domains of the host, by state"),
    Series("virtbus_domain_state", "gauge", "domain", "The domain's state as a label, always 1"),
    Series("virtbus_domain_pending_removals", "gauge", "domain", "Devices that the guest was asked to let go of"),
    Series(_DOMAIN + "timed_out", "gauge", "domain", "Whether an active domain did not answer this scrape in time"),
    Series(_DOMAIN + "info_vstate", "gauge", "domain", "The domain's state as libvirt's number"),
    Series(_DOMAIN + "info_maximum_memory_bytes", "gauge", "domain", "Most memory the domain may have"),
    Series(_DOMAIN + "info_memory_usage_bytes", "gauge", "domain", "Memory the domain has now", "balloon.current", KIB),
    Series(_DOMAIN + "info_virtual_cpus", "gauge", "domain", "Virtual CPUs the domain has now"),
    Series(_DOMAIN + "info_cpu_time_seconds_total", "counter", "domain", "CPU time used", "cpu.time", NANOSECOND),
    Series(_DOMAIN + "info_cpu_user_seconds_total", "counter", "domain", "CPU time used in user mode", "cpu.user",
           NANOSECOND),
    Series(_DOMAIN + "info_cpu_system_seconds_total", "counter", "domain", "CPU time used in system mode",
           "cpu.system", NANOSECOND),
    Series(_BLOCK + "read_bytes_total", "counter", "block", "Bytes read", "rd.bytes"),
    Series(_BLOCK + "read_requests_total", "counter", "block", "Requests to read", "rd.reqs"),
    Series(_BLOCK + "read_time_seconds_total", "counter", "block", "Time spent reading", "rd.times", NANOSECOND),
    Series(_BLOCK + "write_bytes_total", "counter", "block", "Bytes written", "wr.bytes"),
    Series(_BLOCK + "write_requests_total", "counter", "block", "Requests to write", "wr.reqs"),
    Series(_BLOCK + "write_time_seconds_total", "counter", "block", "Time spent writing", "wr.times", NANOSECOND),
    Series(_BLOCK + "flush_requests_total", "counter", "block", "Requests to flush", "fl.reqs"),
    Series(_BLOCK + "flush_time_seconds_total", "counter", "block", "Time spent flushing", "fl.times", NANOSECOND),
    Series(_BLOCK + "allocation", "gauge", "block", "Highest offset written, in bytes", "allocation"),
    Series(_BLOCK + "capacity_bytes", "gauge", "block", "Size that the guest sees", "capacity"),
    Series(_BLOCK + "physicalsize_bytes", "gauge", "block", "Size of the image on its store", "physical"),
    Series(_NET + "receive_bytes_total", "counter", "net", "Bytes received by the guest", "rx.bytes"),
    Series(_NET + "receive_packets_total", "counter", "net", "Packets received by the guest", "rx.pkts"),
    Series(_NET + "receive_errors_total", "counter", "net", "Errors while receiving", "rx.errs"),
    Series(_NET + "receive_drops_total", "counter", "net", "Packets dropped while receiving", "rx.drop"),
    Series(_NET + "transmit_bytes_total", "counter", "net", "Bytes sent by the guest", "tx.bytes"),
    Series(_NET + "transmit_packets_total", "counter", "net", "Packets sent by the guest", "tx.pkts"),
    Series(_NET + "transmit_errors_total", "counter", "net", "Errors while sending", "tx.errs"),
    Series(_NET + "transmit_drops_total", "counter", "net", "Packets dropped while sending", "tx.drop"),
    Series(_MEMORY + "rss_bytes", "gauge", "domain", "Memory of the hypervisor's process", "balloon.rss", KIB),
    Series(_MEMORY + "unused_bytes", "gauge", "domain", "Memory the guest leaves unused", "balloon.unused", KIB),
    Series(_MEMORY + "available_bytes", "gauge", "domain", "Memory the guest sees", "balloon.available", KIB),
    Series(_MEMORY + "usable_bytes", "gauge", "domain", "Memory the guest could free", "balloon.usable", KIB),
    Series(_MEMORY + "disk_cache_bytes", "gauge", "domain", "The guest's disk cache", "balloon.disk_caches", KIB),
    Series(_MEMORY + "swap_in_bytes", "gauge", "domain", "Swapped in by the guest", "balloon.swap_in", KIB),
    Series(_MEMORY + "swap_out_bytes", "gauge", "domain", "Swapped out by the guest", "balloon.swap_out", KIB),
    Series(_MEMORY + "major_fault_total", "counter", "domain", "The guest's page faults that needed its disk",
           "balloon.major_fault"),
    Series(_MEMORY + "minor_fault_total", "counter", "domain", "The guest's other page faults", "balloon.minor_fault"),
    Series(_VCPU + "state", "gauge", "vcpu", "The virtual CPU's state as libvirt's number", "state"),
    Series(_VCPU + "time_seconds_total", "counter", "vcpu", "Time the virtual CPU ran", "time", NANOSECOND),
    Series(_VCPU + "wait_seconds_total", "counter", "vcpu", "Time the virtual CPU waited on I/O", "wait", NANOSECOND),
    Series(_VCPU + "delay_seconds_total", "counter", "vcpu", "Time the virtual CPU waited to run", "delay",
           NANOSECOND),
)  # fmt: skip
"""Every series, in the order in which they are written."""

_BY_STAT: dict[Scope, dict[str, Series]] = {}
for _series in SERIES:
    if _series.stat:
        _BY_STAT.setdefault(_series.scope, {})[_series.stat] = _series

_GROUPS: dict[str, Scope] = {"block": "block", "net": "net", "vcpu": "vcpu"}
"""The counted groups in a domain's statistics, such as `block.0.rd.bytes`."""


def render(hosts: Iterable[HostRow]) -> bytes:
    """The series of these hosts and their domains; empty series are left out."""
    lines: dict[str, list[str]] = {series.name: [] for series in SERIES}
    for host in hosts:
        _host_lines(host, lines)
        for domain in host.domains:
            _domain_lines(host.name, domain, lines)
    out: list[str] = []
    for series in SERIES:
        if lines[series.name]:
            out.append(f"# HELP {series.name} {series.help}.\n# TYPE {series.name} {series.kind}\n")
            out += lines[series.name]
    return "".join(out).encode()


def number(value: Value) -> str:
    """A value: whole numbers as digits, infinities as the format spells them."""
    if isinstance(value, int):
        return str(int(value))
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def escape(text: str) -> str:
    """A label's value between its quotes."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _host_lines(host: HostRow, lines: dict[str, list[str]]) -> None:
    label = f'host="{escape(host.name)}"'
    lines["libvirt_up"].append(f"libvirt_up{{{label}}} {number(host.answered)}\n")
    lines["virtbus_host_up"].append(f"virtbus_host_up{{{label}}} {number(host.served)}\n")
    if host.silence is not None:
        lines["virtbus_host_last_seen_seconds"].append(
            f"virtbus_host_last_seen_seconds{{{label}}} {number(host.silence)}\n"
        )
    about = f'family="{escape(host.family)}",{label},version="{escape(host.version)}"'
    lines["virtbus_host_info"].append(f"virtbus_host_info{{{about}}} 1\n")
    counted = dict.fromkeys(DomainState, 0)
    for domain in host.domains:
        counted[domain.state] += 1
    lines["virtbus_host_domains"] += [
        f'virtbus_host_domains{{{label},state="{state}"}} {number(count)}\n' for state, count in counted.items()
    ]


def _domain_lines(host: str, domain: DomainRow, lines: dict[str, list[str]]) -> None:
    before = f'domain="{escape(domain.name)}",host="{escape(host)}"'
    uuid = f'uuid="{domain.uuid}"'
    labels = f"{{{before},{uuid}}} "
    lines["virtbus_domain_state"].append(f'virtbus_domain_state{{{before},state="{domain.state}",{uuid}}} 1\n')
    for name, value in _own_values(domain):
        lines[name].append(f"{name}{labels}{number(value)}\n")
    direct = _BY_STAT["domain"]
    devices: dict[tuple[Scope, str], str] = {}
    for stat, value in domain.stats.items():
        if not isinstance(value, int | float):
            continue
        series = direct.get(stat)
        if series is not None:
            lines[series.name].append(f"{series.name}{labels}{number(value * series.factor)}\n")
            continue
        group, _, rest = stat.partition(".")
        scope = _GROUPS.get(group)
        place, _, what = rest.partition(".")
        if scope is None or (series := _BY_STAT[scope].get(what)) is None:
            continue
        block = devices.get((scope, place))
        if block is None:
            block = devices[scope, place] = _device_labels(scope, place, domain.stats, before, uuid)
        lines[series.name].append(f"{series.name}{block}{number(value * series.factor)}\n")


def _own_values(domain: DomainRow) -> Iterator[tuple[str, Value]]:
    """The values that are no statistic, or that the record knows of a domain that was not measured."""
    stats = domain.stats
    yield "virtbus_domain_pending_removals", domain.pending
    yield "libvirt_domain_timed_out", domain.timed_out
    yield "libvirt_domain_info_vstate", domain.state.number
    yield "libvirt_domain_info_maximum_memory_bytes", stats.get("balloon.maximum", domain.memory) * KIB
    yield "libvirt_domain_info_virtual_cpus", stats.get("vcpu.current", domain.vcpus)


def _device_labels(scope: Scope, place: str, stats: Mapping[str, Any], before: str, uuid: str) -> str:
    if scope == "vcpu":
        return f'{{{before},{uuid},vcpu="{place}"}} '
    name = escape(str(stats.get(f"{scope}.{place}.name", place)))
    return f'{{{before},target_device="{name}",{uuid}}} '
