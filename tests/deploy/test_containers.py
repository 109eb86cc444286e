"""The images' recipes: small, pinned, without root; their steps make a service that starts.

No container engine is asked: what `COPY` and the installing `RUN` do is done in a scratch root.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.manifests import K8S, OVERLAYS, ROOT, pods

FOLDER = ROOT / "deploy" / "containers"
SERVICES = ("gateway", "worker", "worker-qemu", "nats")
ROOTS = {"worker-qemu"}
"""Services that do not work without root."""
EXTRA = {"xapi": "xen"}
"""Families that another one's package brings."""


@dataclass(frozen=True)
class Step:
    """An instruction of a recipe."""

    word: str
    rest: str


def recipe(name: str) -> list[Step]:
    """The instructions of an image."""
    text = (FOLDER / f"{name}.Containerfile").read_text()
    lines = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [Step(*line.split(maxsplit=1)) for line in lines if line.strip()]


def last_stage(name: str) -> list[Step]:
    """What the image is, without what it was built in."""
    steps = recipe(name)
    begin = max(number for number, step in enumerate(steps) if step.word == "FROM")
    return steps[begin:]


def test_every_image_comes_from_one_pinned_base() -> None:
    base = recipe("base")
    assert re.fullmatch(r"DEBIAN=docker\.io/library/debian:\d+\.\d+-slim", base[0].rest)
    for name in SERVICES:
        steps = recipe(name)
        assert steps[0] == Step("ARG", "BASE=virtbus-base:0.1.0")
        assert {step.rest.split()[0] for step in steps if step.word == "FROM"} == {"${BASE}"}
        assert not [step for step in steps if step.word == "ADD"]


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_runs_one_program_and_not_as_root(name: str) -> None:
    last = {step.word: step.rest for step in last_stage(name)}
    assert last["ENTRYPOINT"].startswith('["/usr/')
    user = last["USER"].partition(":")[0]
    assert (user == "0") == (name in ROOTS)
    # What builds does not stay.
    assert not any("pip" in step.rest or "venv" in step.rest for step in last_stage(name) if step.word == "RUN")


@pytest.mark.parametrize("name", ["base", *SERVICES])
def test_a_list_of_packages_is_not_kept(name: str) -> None:
    for step in recipe(name) if name == "base" else last_stage(name):
        if "apt-get install" in step.rest:
            assert "--no-install-recommends" in step.rest
            assert "rm -rf /var/lib/apt/lists/*" in step.rest


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_image_of_the_manifests_has_its_recipe(overlay: str) -> None:
    images = {container["image"] for _, pod in pods(overlay) for container in pod["spec"]["containers"]}
    names = {re.sub(r"^.*virtbus[-/]", "", image).partition(":")[0] for image in images}
    assert names <= set(SERVICES)
    assert {image.rpartition(":")[2] for image in images} == {"0.1.0"}


def test_the_workers_image_has_every_remote_family() -> None:
    extras = next(step.rest for step in recipe("worker") if "containers/install" in step.rest and step.word == "RUN")
    families = {path.name for path in (K8S / "families").iterdir()}
    assert {EXTRA.get(family, family) for family in families} <= set(extras.split()[-1].split(","))


@pytest.mark.timeout(300)
def test_the_steps_of_the_gateways_image_make_a_gateway_and_nothing_else(tmp_path: Path) -> None:
    root = _built("gateway", tmp_path)
    program = root / "usr/lib/virtbus/bin/virtbus"
    done = subprocess.run([program, "gateway", "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    packages = next((root / "usr/lib/virtbus/lib").glob("python3*/site-packages"))
    names = {path.name for path in packages.iterdir()}
    assert {"virtbus", "virtbus_gateway", "fastapi", "nats"} <= names
    # Neither what installs, nor what tests, nor other services' libraries.
    assert not {"pip", "setuptools", "pytest", "asyncssh", "rich"} & names
    size = sum(path.lstat().st_size for path in (root / "usr/lib/virtbus").rglob("*")) / 1024**2
    print(f"the gateway's environment: {size:.0f} MiB")
    assert size < 150


def _built(name: str, folder: Path) -> Path:
    """The scratch root that an image's `COPY` and installing `RUN` leave."""
    root = folder / "root"
    for step in recipe(name):
        if step.word == "COPY" and not step.rest.startswith("--from"):
            *sources, target = step.rest.split()
            for source in sources:
                place = root / target.lstrip("/")
                place = place / source if target.endswith("/") else place
                place.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, place)
        elif step.word == "RUN" and "containers/install" in step.rest:
            words = [f"{root}{word}" if word.startswith("/") else word for word in step.rest.split()]
            path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=280, check=False, env=os.environ | {"PATH": path}
            )
            assert done.returncode == 0, done.stderr[-2000:]
    return root
