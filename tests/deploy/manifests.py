"""The manifests as `kubectl kustomize` renders them, and ways to look into them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "deploy" / "k8s"
TOOLS = ROOT / ".cache" / "deploy"
OVERLAYS = ("single", "production")
WORKLOADS = {"Deployment", "DaemonSet", "StatefulSet", "Job"}

Document = dict[str, Any]


def tool(name: str) -> Path:
    """A program of `make deploy-tools`."""
    path = TOOLS / name
    assert path.exists(), f"{path} is not there: make deploy-tools"
    return path


@cache
def rendered(overlay: str) -> str:
    """An overlay, as it would be applied."""
    done = subprocess.run(
        [tool("bin/kubectl"), "kustomize", K8S / "overlays" / overlay],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def documents(overlay: str) -> list[Document]:
    """Every object of an overlay."""
    return [document for document in yaml.safe_load_all(rendered(overlay)) if document]


def named(overlay: str, kind: str, name: str) -> Document:
    """One object."""
    return next(each for each in documents(overlay) if (each["kind"], each["metadata"]["name"]) == (kind, name))


def workloads(overlay: str) -> list[Document]:
    """Objects that make pods."""
    return [document for document in documents(overlay) if document["kind"] in WORKLOADS]


def pods(overlay: str) -> Iterator[tuple[str, Document]]:
    """Namespace and template of every kind of pod."""
    for workload in workloads(overlay):
        yield workload["metadata"]["namespace"], workload["spec"]["template"]


def title(document: Document) -> str:
    """Kind, namespace and name, as checkov writes them."""
    about = document["metadata"]
    return f"{document['kind']}.{about.get('namespace', 'default')}.{about['name']}"


def matches(selector: Document, labels: dict[str, str]) -> bool:
    """Whether a selector takes something with these labels."""
    return all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())


def rules() -> Document:
    """The alerts."""
    return named("production", "PrometheusRule", "virtbus")["spec"]
