"""Writes the dashboards beside it from the tables below: python deploy/grafana/dashboards.py

Every gateway shows all hosts and domains: figures of these are taken once (max by), not added up over gateways.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
"""Of Grafana's grid."""
HEIGHTS = {"stat": 4, "timeseries": 8, "table": 8}
WIDTHS = {"stat": 4, "timeseries": 8, "table": 24}

NAME = "{{host}}/{{domain}}"
"""How a domain is called."""
VCPU_DELAY = "libvirt_domain_vcpu_delay_seconds_total"
RUNNING = 'virtbus_host_domains{state="running"}'
IN_HOST = 'host=~"$host"'
IN_DOMAIN = 'host=~"$host",domain=~"$domain"'


@dataclass(frozen=True)
class Query:
    """What is asked, and how a line of the answer is called."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """A figure, a plot or a table."""

    title: str
    queries: tuple[Query, ...]
    kind: str = "timeseries"
    unit: str = "none"
    about: str = ""
    red: float | None = None
    """From which value on a figure is red."""


@dataclass(frozen=True)
class Dashboard:
    """A page of panels."""

    name: str
    title: str
    about: str
    panels: tuple[Panel, ...]
    variables: tuple[str, ...] = ()


def rate(series: str, within: str = "") -> str:
    """How fast a counter grows."""
    return f"rate({series}{{{within}}}[$__rate_interval])" if within else f"rate({series}[$__rate_interval])"


def once(expression: str, *labels: str) -> str:
    """One sample of those that several gateways show."""
    return f"max by ({', '.join(labels)}) ({expression})"


def per_domain(series: str, legend: str, *labels: str, sign: str = "") -> Query:
    """How fast a counter of the chosen domains grows."""
    counted = once(rate(f"libvirt_domain_{series}", IN_DOMAIN), "host", "domain", *labels)
    return Query(sign + counted, f"{NAME} {legend}")


def of_domain(series: str, legend: str) -> Query:
    """A figure of the chosen domains."""
    return Query(once(f"libvirt_domain_{series}{{{IN_DOMAIN}}}", "host", "domain"), f"{NAME} {legend}")


def top(expression: str) -> tuple[Query, ...]:
    """The domains of the chosen hosts that have most of it."""
    return (Query(f"topk(20, {expression})", NAME),)


def traffic(*series: str) -> str:
    """Counters of the chosen hosts' devices, added up for each domain."""
    parts = [once(rate(f"libvirt_domain_{one}", IN_HOST), "host", "domain", "target_device") for one in series]
    return f"sum by (host, domain) ({' + '.join(parts)})"


def quantile(share: float, histogram: str, label: str) -> Query:
    """The time within which a share of a histogram's events ended."""
    return Query(f"histogram_quantile({share}, sum by (le, {label}) ({rate(histogram)}))", f"{{{{{label}}}}}")


FLEET = Dashboard(
    "virtbus-fleet",
    "Virtbus: fleet",
    "Every host and domain at a glance, and the gateways.",
    (
        Panel("Hosts served", (Query(f"sum({once('virtbus_host_up', 'host')})"),), "stat"),
        Panel("Hosts not served", (Query(f"count({once('virtbus_host_up', 'host')} == 0) or vector(0)"),), "stat",
              about="No worker with a living session owns them. Their domains run on.", red=1),
        Panel("Hosts that did not answer", (Query(f"count({once('libvirt_up', 'host')} == 0) or vector(0)"),), "stat",
              about="At the last scrape.", red=1),
        Panel("Domains running", (Query(f"sum({once(RUNNING, 'host')})"),), "stat"),
        Panel("Domains that did not answer",
              (Query(f"sum({once('libvirt_domain_timed_out', 'host', 'uuid')}) or vector(0)"),), "stat",
              about="Active, but the hypervisor's process did not answer in time.", red=1),
        Panel("Removals pending",
              (Query(f"sum({once('virtbus_domain_pending_removals', 'host', 'uuid')}) or vector(0)"),), "stat",
              about="Devices that guests were asked to let go of."),
        Panel("Domains by state",
              (Query(f"sum by (state) ({once('virtbus_host_domains', 'host', 'state')})", "{{state}}"),)),
        Panel("CPU used by host",
              (Query(f"sum by (host) ({once(rate('libvirt_domain_info_cpu_time_seconds_total'), 'host', 'uuid')})",
                     "{{host}}"),), about="CPUs that the host's domains keep busy."),
        Panel("Memory given to domains by host",
              (Query(f"sum by (host) ({once('libvirt_domain_info_memory_usage_bytes', 'host', 'uuid')})", "{{host}}"),),
              unit="bytes"),
        Panel("Hosts", (Query(once("virtbus_host_info", "host", "family", "version")),
                        Query(once("virtbus_host_up", "host")),
                        Query(once("virtbus_host_last_seen_seconds", "host"))), "table",
              about="Whether a worker owns the host, and the seconds since it was last heard of."),
        Panel("Requests", (Query(f"sum by (status) ({rate('virtbus_http_requests_total')})", "{{status}}"),),
              unit="reqps"),
        Panel("Answer time, 99 of 100", (quantile(0.99, "virtbus_http_request_duration_seconds_bucket", "route"),),
              unit="s"),
        Panel("Time for a host's figures, 99 of 100",
              (quantile(0.99, "virtbus_host_scrape_duration_seconds_bucket", "outcome"),), unit="s"),
        Panel("Jobs accepted", (Query(f"sum by (operation) ({rate('virtbus_jobs_accepted_total')})", "{{operation}}"),),
              unit="ops"),
        Panel("Event clients", (Query("sum(virtbus_event_clients)", "following"),
                                Query(f"sum({rate('virtbus_event_clients_cut_off_total')})", "cut off each second"))),
        Panel("Events delivered", (Query(f"sum({rate('virtbus_events_delivered_total')})", "events"),), unit="ops"),
    ),
)  # fmt: skip

HOST = Dashboard(
    "virtbus-host",
    "Virtbus: host",
    "The domains of the chosen hosts that use most.",
    (
        Panel("CPU by domain",
              top(once(rate("libvirt_domain_info_cpu_time_seconds_total", IN_HOST), "host", "domain"))),
        Panel("Resident memory by domain",
              top(once(f"libvirt_domain_memory_stats_rss_bytes{{{IN_HOST}}}", "host", "domain")), unit="bytes"),
        Panel("Waiting to run by domain",
              top(f"sum by (host, domain) ({once(rate(VCPU_DELAY, IN_HOST), 'host', 'domain', 'vcpu')})"),
              about="Seconds in each second that virtual CPUs could have run, and did not."),
        Panel("Disk traffic by domain",
              top(traffic("block_stats_read_bytes_total", "block_stats_write_bytes_total")), unit="Bps"),
        Panel("Disk requests by domain",
              top(traffic("block_stats_read_requests_total", "block_stats_write_requests_total")), unit="iops"),
        Panel("Network traffic by domain",
              top(traffic("interface_stats_receive_bytes_total", "interface_stats_transmit_bytes_total")), unit="Bps"),
        Panel("Domains by state",
              (Query(f"sum by (host, state) ({once(f'virtbus_host_domains{{{IN_HOST}}}', 'host', 'state')})",
                     "{{host}} {{state}}"),)),
        Panel("Seconds since the worker was heard of",
              (Query(once(f"virtbus_host_last_seen_seconds{{{IN_HOST}}}", "host"), "{{host}}"),), unit="s"),
        Panel("Domains that did not answer, or wait for a guest",
              (Query(once(f"libvirt_domain_timed_out{{{IN_HOST}}}", "host", "domain") + " > 0"),
               Query(once(f"virtbus_domain_pending_removals{{{IN_HOST}}}", "host", "domain") + " > 0")), "table"),
    ),
    ("host",),
)  # fmt: skip

DOMAIN = Dashboard(
    "virtbus-domain",
    "Virtbus: domain",
    "What the chosen domains do.",
    (
        Panel("Virtual CPUs",
              (per_domain("vcpu_time_seconds_total", "vcpu {{vcpu}}", "vcpu"),
               per_domain("vcpu_delay_seconds_total", "vcpu {{vcpu}} waits to run", "vcpu")),
              unit="percentunit"),
        Panel("Memory",
              (of_domain("info_memory_usage_bytes", "given"),
               of_domain("memory_stats_rss_bytes", "resident"),
               of_domain("memory_stats_unused_bytes", "unused by the guest")), unit="bytes"),
        Panel("Page faults of the guest",
              (per_domain("memory_stats_major_fault_total", "major"),
               per_domain("memory_stats_minor_fault_total", "minor")), unit="ops"),
        Panel("Disk bytes",
              (per_domain("block_stats_read_bytes_total", "{{target_device}} read", "target_device"),
               per_domain("block_stats_write_bytes_total", "{{target_device}} written", "target_device",
                          sign="-")), unit="Bps"),
        Panel("Disk requests",
              tuple(per_domain(f"block_stats_{what}_requests_total", f"{{{{target_device}}}} {what}",
                               "target_device") for what in ("read", "write", "flush")), unit="iops"),
        Panel("Time for a disk request",
              tuple(Query(
                  per_domain(f"block_stats_{what}_time_seconds_total", "", "target_device").expression + " / "
                  + per_domain(f"block_stats_{what}_requests_total", "", "target_device").expression,
                  f"{NAME} {{{{target_device}}}} {what}") for what in ("read", "write")), unit="s"),
        Panel("Network bytes",
              (per_domain("interface_stats_receive_bytes_total", "{{target_device}} received",
                          "target_device"),
               per_domain("interface_stats_transmit_bytes_total", "{{target_device}} sent", "target_device",
                          sign="-")), unit="Bps"),
        Panel("Network errors and drops",
              tuple(per_domain(f"interface_stats_{way}_{what}_total",
                               f"{{{{target_device}}}} {way} {what}", "target_device")
                    for way in ("receive", "transmit") for what in ("errors", "drops")),
              unit="pps"),
        Panel("State", (Query(once(f"virtbus_domain_state{{{IN_DOMAIN}}}", "host", "domain", "state")),), "table"),
    ),
    ("host", "domain"),
)  # fmt: skip

BUS = Dashboard(
    "virtbus-bus",
    "Virtbus: bus",
    "The bus as services see it, jobs, events, and the workers' sessions.",
    (
        Panel("Hosts owned", (Query("sum(virtbus_hosts_owned)"),), "stat"),
        Panel("Sessions begun in an hour", (Query("sum(increase(virtbus_sessions_total[1h]))"),), "stat",
              about="One at each start of a worker; more: a bus that is away too long, or a worker that stands still."),
        Panel("Connections made anew in an hour",
              (Query("sum(increase(virtbus_bus_reconnects_total[1h])) or vector(0)"),), "stat", red=5),
        Panel("Subjects refused in an hour",
              (Query("sum(increase(virtbus_bus_denied_total[1h])) or vector(0)"),), "stat",
              about="Rights of a bus user that are too narrow, or a stolen key.", red=1),
        Panel("Time of a round trip, half", (quantile(0.5, "virtbus_bus_round_trip_seconds_bucket", "kind"),), unit="s",
              about="`write` waits until the bus has stored it."),
        Panel("Time of a round trip, 99 of 100", (quantile(0.99, "virtbus_bus_round_trip_seconds_bucket", "kind"),),
              unit="s"),
        Panel("Round trips", (Query(f"sum by (kind) ({rate('virtbus_bus_round_trip_seconds_count')})", "{{kind}}"),),
              unit="ops"),
        Panel("Jobs ended", (Query(f"sum by (result) ({rate('virtbus_jobs_total')})", "{{result}}"),), unit="ops"),
        Panel("Time of a job, 95 of 100", (quantile(0.95, "virtbus_job_duration_seconds_bucket", "operation"),),
              unit="s", about="From acceptance to its end; a detach waits for its guest."),
        Panel("Events published", (Query(f"sum by (kind) ({rate('virtbus_events_published_total')})", "{{kind}}"),),
              unit="ops"),
    ),
)  # fmt: skip

DASHBOARDS = (FLEET, HOST, DOMAIN, BUS)

VARIABLES = {
    "host": "label_values(virtbus_host_info, host)",
    "domain": 'label_values(virtbus_domain_state{host=~"$host"}, domain)',
}
"""What may be chosen above a dashboard, and where the choices come from."""


def document(dashboard: Dashboard) -> dict[str, Any]:
    """A dashboard as Grafana reads it."""
    others = [
        {
            "title": one.title.partition(": ")[2],
            "type": "link",
            "url": f"/d/{one.name}",
            "includeVars": True,
            "keepTime": True,
        }
        for one in DASHBOARDS
        if one is not dashboard
    ]
    return {
        "uid": dashboard.name,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["virtbus", "libvirt"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": others,
        "templating": {"list": [_datasource(), *map(_variable, dashboard.variables)]},
        "panels": list(_placed(dashboard.panels)),
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
            "current": {}, "options": [], "refresh": 1}  # fmt: skip


def _variable(name: str) -> dict[str, Any]:
    query = VARIABLES[name]
    return {
        "name": name, "label": name.capitalize(), "type": "query", "datasource": SOURCE, "definition": query,
        "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "multi": True, "includeAll": True,
        "allValue": ".*", "current": {"selected": True, "text": ["All"], "value": ["$__all"]}, "options": [],
    }  # fmt: skip


def _placed(panels: Sequence[Panel]) -> Iterator[dict[str, Any]]:
    """Panels in rows from left to right, each row as high as its highest."""
    x = y = height = 0
    for number, panel in enumerate(panels, 1):
        width = WIDTHS[panel.kind]
        if x + width > WIDTH:
            x, y, height = 0, y + height, 0
        height = max(height, HEIGHTS[panel.kind])
        place = {"x": x, "y": y, "w": width, "h": HEIGHTS[panel.kind]}
        yield {"id": number, "gridPos": place, **_panel(panel)}
        x += width


def _panel(panel: Panel) -> dict[str, Any]:
    table, plot = panel.kind == "table", panel.kind == "timeseries"
    shown: dict[str, Any] = {"unit": panel.unit}
    if plot:
        shown |= {"custom": {"fillOpacity": 8, "lineWidth": 1, "showPoints": "never"}}
        options: dict[str, Any] = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    elif table:
        options = {"showHeader": True}
    else:
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        steps += [] if panel.red is None else [{"color": "red", "value": panel.red}]
        shown |= {"thresholds": {"mode": "absolute", "steps": steps}}
        reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        options = {"reduceOptions": reduced, "colorMode": "value", "graphMode": "area"}
    made = {
        "type": panel.kind, "title": panel.title, "datasource": SOURCE, "description": panel.about,
        "targets": [_target(number, query, panel.kind) for number, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": shown, "overrides": []}, "options": options,
    }  # fmt: skip
    return made | ({"transformations": [{"id": "merge", "options": {}}]} if table else {})


def _target(number: int, query: Query, kind: str) -> dict[str, Any]:
    target: dict[str, Any] = {
        "refId": "ABCDEFGH"[number], "datasource": SOURCE, "expr": query.expression, "legendFormat": query.legend,
    }  # fmt: skip
    if kind != "timeseries":
        target |= {"instant": True, "range": False}
    return target | ({"format": "table"} if kind == "table" else {})


def text(dashboard: Dashboard) -> str:
    """The file of a dashboard."""
    return json.dumps(document(dashboard), indent=2) + "\n"


if __name__ == "__main__":
    for one in DASHBOARDS:
        (FOLDER / f"{one.name}.json").write_text(text(one), encoding="utf-8")
