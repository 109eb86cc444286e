"""The manifests: Kubernetes' schemas take them, a scanner finds what is accepted here, they fit together."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deploy.manifests import (
    K8S,
    OVERLAYS,
    ROOT,
    Document,
    documents,
    matches,
    named,
    pods,
    rendered,
    title,
    tool,
    workloads,
)
from virtbus.bus.command import CommandSettings as BusCommandSettings
from virtbus.config import load
from virtbus.worker.command import CommandSettings as WorkerCommandSettings
from virtbus_gateway.settings import GatewaySettings

VERSIONS = ("1.30", "1.37")
"""Of Kubernetes: the oldest that is meant, and the newest whose schemas are here."""
OPERATORS_OWN = "monitoring.coreos.com/v1"
"""The Prometheus operator's objects, which Kubernetes' schemas do not know."""

QEMU = "DaemonSet.virtbus-hosts.virtbus-worker-qemu"
EVERYWHERE = {
    "CKV_K8S_43": "digests are of a registry's images, which the operator has",
    "CKV_K8S_15": "tags are versions, whose images do not change",
}
ACCEPTED = {
    QEMU: {
        "CKV_K8S_16": "nsenter into the node's mounts, /dev/kvm and tap devices need a privileged container",
        "CKV_K8S_17": "domains outlive the pod, so they live among the node's processes",
        "CKV_K8S_19": "domains' network cards are tap devices on the node's bridges",
        "CKV_K8S_20": "implied by privileged",
        "CKV_K8S_23": "sets up devices and images as root",
        "CKV_K8S_26": "on the host's network every port is the host's",
        "CKV_K8S_28": "implied by privileged",
        "CKV_K8S_29": "a privileged container's context confines nothing",
        "CKV_K8S_31": "a privileged container has no seccomp profile",
        "CKV_K8S_37": "implied by privileged",
        "CKV_K8S_40": "sets up devices and images as root",
    }
}
"""What the scanner finds and is meant so, by object and check."""
MADE_BY_HAND = r"kubectl [^\n]*create (?:secret generic|secret tls|configmap) ([a-z-]+)"
"""How docs/deploy.md makes what no manifest has."""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_takes_every_object(overlay: str, version: str) -> None:
    checked = 0
    for document in documents(overlay):
        if document["apiVersion"] != OPERATORS_OWN:
            kubernetes_validate.validate(document, version, strict=True)
            checked += 1
    assert checked > 15


def test_a_wrong_object_is_not_taken() -> None:
    gateway = named("production", "Deployment", "virtbus-gateway")
    gateway["spec"]["template"]["spec"]["containers"][0]["port"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(gateway, VERSIONS[-1], strict=True)


@pytest.mark.timeout(300)
def test_the_scanner_finds_what_is_accepted_and_nothing_else(tmp_path: Path) -> None:
    words: list[str | Path] = [tool("checkov/bin/checkov"), "--framework", "kubernetes", "--output", "json"]
    for overlay in OVERLAYS:
        (tmp_path / f"{overlay}.yaml").write_text(rendered(overlay))
        words += ["--file", tmp_path / f"{overlay}.yaml"]
    done = subprocess.run([*words, "--skip-download"], capture_output=True, text=True, timeout=280, check=False)
    results = json.loads(done.stdout)["results"]
    for overlay in OVERLAYS:
        passed, failed = (
            {(one["resource"], one["check_id"]) for one in results[kind] if overlay in one["file_path"]}
            for kind in ("passed_checks", "failed_checks")
        )
        assert len(passed) > 200
        accepted = {(name, check) for name, checks in ACCEPTED.items() for check in checks}
        assert {one for one in failed if one[1] not in EVERYWHERE} == accepted


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_the_worker_of_the_nodes_own_domains_has_rights(overlay: str) -> None:
    for workload in workloads(overlay):
        pod = workload["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            if title(workload) != QEMU:
                assert pod["securityContext"]["runAsNonRoot"] is True
                assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
                assert not {"hostPID", "hostNetwork", "hostIPC"} & pod.keys()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_selector_takes_a_pod(overlay: str) -> None:
    asked = 0
    for document in documents(overlay):
        spec = document.get("spec", {})
        if document["kind"] == "Service":
            selector = {"matchLabels": spec["selector"]}
        elif document["kind"] in {"PodDisruptionBudget", "PodMonitor"}:
            selector = spec["selector"]
        elif document["kind"] == "NetworkPolicy" and document["metadata"]["name"] != "nats":
            selector = spec["podSelector"]
        else:
            continue
        asked += 1
        spaces = spec.get("namespaceSelector", {}).get("matchNames") or [document["metadata"]["namespace"]]
        taken = [
            pod for space, pod in pods(overlay) if space in spaces and matches(selector, pod["metadata"]["labels"])
        ]
        if document["metadata"]["name"] != "virtbus-workers" or overlay == "production":
            assert taken, title(document)
        for endpoint in spec.get("podMetricsEndpoints", []):
            for pod in taken:
                assert endpoint["port"] in _ports(pod), title(document)
    assert asked > 5


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_and_services_name_ports_that_there_are(overlay: str) -> None:
    for _, pod in pods(overlay):
        for container in pod["spec"]["containers"]:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if probe in container:
                    assert container[probe]["httpGet"]["port"] in _ports(pod)
            if container["name"] != "setup":
                assert "livenessProbe" in container


def _ports(pod: Document) -> set[str]:
    return {port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", [])}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_mounted_is_made_here_or_in_the_manual(overlay: str) -> None:
    by_hand = set(re.findall(MADE_BY_HAND, (ROOT / "docs" / "deploy.md").read_text()))
    made = {each["metadata"]["name"] for each in documents(overlay) if each["kind"] in {"ConfigMap", "Secret"}}
    for _, pod in pods(overlay):
        names = {volume["name"] for volume in pod["spec"]["volumes"]}
        for container in pod["spec"]["containers"]:
            mounts = container.get("volumeMounts", [])
            claims = {"data"}
            assert {mount["name"] for mount in mounts} <= names | claims
            assert len({mount["mountPath"] for mount in mounts}) == len(mounts)
        for volume in pod["spec"]["volumes"]:
            wanted = volume.get("secret", {}).get("secretName") or volume.get("configMap", {}).get("name")
            assert wanted is None or wanted in made | by_hand, wanted


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_containers_run_commands_that_there_are(overlay: str) -> None:
    for _, pod in pods(overlay):
        for container in pod["spec"]["containers"]:
            if container["name"] == "nats":
                continue
            words = [word.replace("$(FAMILY)", "qemu") for word in container["args"]]
            done = subprocess.run(
                [sys.executable, "-m", "virtbus", *words, "--help"],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("file", "model"),
    [
        ("base/gateway.toml", GatewaySettings),
        ("base/setup.toml", BusCommandSettings),
        *((f"families/{family}/worker.toml", WorkerCommandSettings) for family in ("esx", "hyperv", "xapi")),
    ],
)
def test_settings_are_settings(file: str, model: Any) -> None:
    settings = load(model, {}, file=K8S / file)
    assert settings.bus.servers == ["nats://nats.virtbus.svc:4222"]
    seed = settings.bus.nkey_seed
    assert seed is not None
    # The name of a service is the name of its bus user.
    assert seed.stem == (getattr(settings, "name", None) or "setup")


@pytest.mark.parametrize("family", ["esx", "hyperv", "xapi"])
def test_a_remote_family_is_told_to_its_worker_and_has_secrets_of_its_own(family: str) -> None:
    worker = named("production", "Deployment", f"virtbus-worker-{family}")
    pod = worker["spec"]["template"]["spec"]
    settings = next(volume for volume in pod["volumes"] if volume["name"] == "settings")["configMap"]["name"]
    told = named("production", "ConfigMap", settings)["data"]
    assert told["family"] == family
    assert pod["containers"][0]["env"][0]["valueFrom"]["configMapKeyRef"]["name"] == settings
    hosts = tomllib.loads(told["worker.toml"])["hosts"]
    assert all(host.partition("=")[2].startswith(f"{family}:") for host in hosts)
    secrets = {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    assert secrets == {f"virtbus-worker-{family}-seed", f"virtbus-worker-{family}-hosts"}


def test_domains_of_a_node_live_in_scopes_of_the_node() -> None:
    pod = named("production", "DaemonSet", "virtbus-worker-qemu")["spec"]["template"]["spec"]
    assert pod["hostPID"] is True
    launcher = next(word for word in pod["containers"][0]["args"] if word.startswith("--option=launcher="))
    assert "nsenter --target 1 --mount -- systemd-run --scope" in launcher
    shared = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    for mount in pod["containers"][0]["volumeMounts"]:
        # A path means the same to the worker and to the node's QEMU.
        assert shared.get(mount["name"], mount["mountPath"]) == mount["mountPath"]


def test_production_is_encrypted_and_replicated() -> None:
    job = named("production", "Job", "virtbus-setup")["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "VIRTBUS_REPLICAS", "value": "3"} in job["env"]
    for workload in workloads("production"):
        names = {entry["name"] for entry in workload["spec"]["template"]["spec"]["containers"][0]["env"]}
        assert "VIRTBUS_NATS_CA" in names, title(workload)
    gateway = named("production", "Deployment", "virtbus-gateway")["spec"]["template"]["spec"]["containers"][0]
    assert gateway["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    values = yaml.safe_load((K8S / "nats" / "values.yaml").read_text())
    config = values["config"]
    assert config["cluster"]["replicas"] == 3
    assert config["jetstream"]["merge"]["sync_interval"] == "always"
    assert config["merge"]["max_payload"] == 8 * 1024**2
    assert values["podDisruptionBudget"]["enabled"] is True


def test_the_server_of_the_single_overlay_reads_its_settings(tmp_path: Path) -> None:
    text = named("single", "ConfigMap", "nats")["data"]["nats-server.conf"]
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "users.conf").write_text("authorization { users = [] }\n")
    file = tmp_path / "nats-server.conf"
    file.write_text(text.replace("/data", str(tmp_path / "data")))
    done = subprocess.run(
        [Path(sys.executable).parent / "nats-server", "-t", "-c", file],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
