"""The dashboards and alerts: a real Prometheus answers every query of theirs from a running Virtbus."""

from __future__ import annotations

import importlib
import json
import re
import runpy
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import yaml

from tests.deploy.manifests import ROOT, rules
from tests.deploy.prometheus import Prometheus, exercise, prometheus, virtbus
from virtbus.metrics import SERIES

FOLDER = ROOT / "deploy" / "grafana"
NAMES = ("virtbus-fleet", "virtbus-host", "virtbus-domain", "virtbus-bus")
EXPORTERS = (
    "virtbus.bus.link", "virtbus.worker.service", "virtbus.worker.executor", "virtbus.worker.desk",
    "virtbus_gateway.metrics",
)  # fmt: skip
"""Modules with counters of their own."""
MAY_BE_EMPTY = re.compile(r"timed_out.* > 0|pending_removals.* > 0|read_requests_total.* / |/ .*_requests_total")
"""Queries about what does not happen on a healthy simulated host, or divides by it."""
ALERT = {
    "VirtbusHostNotServed": {'virtbus_host_up{host="a"}': "0x30"},
    "VirtbusHostSilent": {'virtbus_host_up{host="a"}': "1x30", 'libvirt_up{host="a"}': "0x30"},
    "VirtbusDomainStuck": {'libvirt_domain_timed_out{host="a",domain="d",uuid="u"}': "1x30"},
    "VirtbusDomainCrashed": {'virtbus_domain_state{host="a",domain="d",uuid="u",state="crashed"}': "1x30"},
    "VirtbusRemovalPending": {'virtbus_domain_pending_removals{host="a",domain="d",uuid="u"}': "1x60"},
    "VirtbusJobsFail": {
        'virtbus_jobs_total{result="failed",operation="o"}': "0+5x60",
        'virtbus_jobs_total{result="succeeded",operation="o"}': "0+5x60",
    },
    "VirtbusJobsWait": {
        'virtbus_jobs_accepted_total{operation="o"}': "0+5x60",
        'virtbus_jobs_total{result="succeeded",operation="o"}': "7x60",
    },
    "VirtbusBusSlow": {
        'virtbus_bus_round_trip_seconds_bucket{kind="write",le="0.5"}': "0+1x60",
        'virtbus_bus_round_trip_seconds_bucket{kind="write",le="5"}': "0+10x60",
        'virtbus_bus_round_trip_seconds_bucket{kind="write",le="+Inf"}': "0+10x60",
    },
    "VirtbusBusUnsteady": {'virtbus_bus_reconnects_total{instance="i"}': "0+1x60"},
    "VirtbusBusDenied": {'virtbus_bus_denied_total{instance="i"}': "0+1x60"},
    "VirtbusBusFull": {
        'kubelet_volume_stats_available_bytes{namespace="n",persistentvolumeclaim="data-nats-0"}': "5x60",
        'kubelet_volume_stats_capacity_bytes{namespace="n",persistentvolumeclaim="data-nats-0"}': "100x60",
    },
    "VirtbusGatewayDown": {"virtbus_something_else": "1x60"},
    "VirtbusGatewayErrors": {
        'virtbus_http_requests_total{status="503"}': "0+1x60",
        'virtbus_http_requests_total{status="200"}': "0+9x60",
    },
    "VirtbusGatewaySlow": {
        'virtbus_http_request_duration_seconds_bucket{method="GET",route="/v1/domains",le="0.5"}': "0+1x60",
        'virtbus_http_request_duration_seconds_bucket{method="GET",route="/v1/domains",le="5"}': "0+10x60",
        'virtbus_http_request_duration_seconds_bucket{method="GET",route="/v1/domains",le="+Inf"}': "0+10x60",
    },
    "VirtbusEventClientsCutOff": {"virtbus_event_clients_cut_off_total": "0+1x60"},
    "VirtbusWorkerUnsteady": {'virtbus_sessions_total{instance="i"}': "0+1x60"},
}
"""Of each alert: series, a sample a minute, that must set it off within 45 minutes."""


def dashboard(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return loaded


def expressions(name: str) -> Iterator[str]:
    """Everything that a dashboard asks, with what Grafana puts in."""
    for panel in dashboard(name)["panels"]:
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "10s")
            yield text.replace("$host", ".*").replace("$domain", ".*")


def alerts() -> list[dict[str, Any]]:
    return [rule for group in rules()["groups"] for rule in group["rules"]]


def exported() -> set[str]:
    """The names of every series that a service shows."""
    for name in EXPORTERS:
        importlib.import_module(name)
    names = {series.name for series in SERIES}
    for family in prometheus_client.REGISTRY.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {family.name + suffix for suffix in suffixes}
    return names


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_is_what_its_tables_make(name: str) -> None:
    made = runpy.run_path(str(FOLDER / "dashboards.py"))
    one = next(each for each in made["DASHBOARDS"] if each.name == name)
    assert (FOLDER / f"{name}.json").read_text() == made["text"](one), "run: python deploy/grafana/dashboards.py"


@pytest.mark.parametrize("name", NAMES)
def test_panels_have_places_of_their_own(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    panels = dashboard(name)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_every_series_that_is_asked_for_is_shown_by_a_service() -> None:
    asked = [text for name in NAMES for text in expressions(name)] + [rule["expr"] for rule in alerts()]
    used = {name for text in asked for name in re.findall(r"\b(?:libvirt|virtbus)_\w+", text)}
    assert len(used) > 35
    assert used <= exported(), used - exported()


def test_every_alert_has_its_page_in_the_runbook() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    pages = {title.lower() for title in re.findall(r"^## (\w+)$", text, re.MULTILINE)}
    named = {rule["annotations"]["runbook_url"] for rule in alerts()}
    assert named == {f"docs/runbook.md#{rule['alert'].lower()}" for rule in alerts()}
    assert {rule["alert"].lower() for rule in alerts()} <= pages


def test_every_alert_goes_off_when_it_should(tmp_path: Path) -> None:
    assert set(ALERT) == {rule["alert"] for rule in alerts()}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules()))
    tests = []
    for name, series in ALERT.items():
        samples = [{"series": key, "values": _values(text)} for key, text in series.items()]
        expression = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
        wanted = [{"expr": expression, "eval_time": "45m", "exp_samples": [{"labels": "{}", "value": 1}]}]
        tests.append({"interval": "1m", "input_series": samples, "promql_expr_test": wanted})
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _values(text: str) -> str:
    """promtool's notation, long enough for 45 minutes."""
    start, _, _ = text.partition("x")
    first, plus, step = start.partition("+")
    return f"{first}+{step}x60" if plus else f"{first}+0x60"


@pytest.fixture(scope="module")
async def answering() -> AsyncIterator[Prometheus]:
    """A Prometheus that has asked a Virtbus with two simulated hosts, on which something happened meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="vb-"))
    try:
        hosts = ["a=simulated:///default?domains=5", "b=simulated:///default"]
        async with virtbus(folder, hosts) as up, prometheus(folder, up) as asked:
            await asked.scraped(2)
            await exercise(up, "a")
            await asked.scraped(6)
            yield asked
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("name", NAMES)
async def test_prometheus_answers_a_dashboard_from_a_running_fleet(answering: Prometheus, name: str) -> None:
    silent = [text for text in expressions(name) if not await answering.query(text) and not MAY_BE_EMPTY.search(text)]
    assert silent == []


async def test_prometheus_takes_the_alerts_and_none_goes_off_on_a_healthy_fleet(answering: Prometheus) -> None:
    groups = (await answering.get("rules"))["groups"]
    read = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert set(read) == {rule["alert"] for rule in alerts()}
    assert {rule["health"] for rule in read.values()} == {"ok"}
    assert [name for name, rule in read.items() if rule["state"] == "firing"] == []
