"""Capabilities: of a QEMU binary by its recorded answers, of a host, and of what domains may ask for."""

from __future__ import annotations

import contextlib
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from os.path import dirname, normpath
from pathlib import Path
from typing import Any

from tests.conformance.refusal import Refused
from virtbus.capabilities import Capabilities, Host, Sysfs
from virtbus.capabilities.document import Iommu, Migration, PowerManagement
from virtbus.cpu import CpuTable, HostCpu, PowerTable
from virtbus_qemu.probing.descriptors import Descriptor, installed, suitable
from virtbus_qemu.probing.digest import Digest
from virtbus_qemu.probing.guests import guest_of
from virtbus_qemu.probing.migration import MigrationParameters, Parameters
from virtbus_qemu.probing.offer import Offering, Site
from virtbus_qemu.probing.probe import digest_of
from virtbus_qemu.probing.replies import recorded

Case = Mapping[str, Any]


def run(case: Case, root: Path) -> dict[str, str]:
    """The output of one case."""
    several = _DOCUMENTS.get(case["family"])
    if several is not None:
        return several(case, root)
    text = _ANSWERS[case["family"]](case, root)
    return dict.fromkeys(case["expected"], text)


def _emulator(arch: str) -> str:
    return f"/usr/bin/qemu-system-{arch}"


def _microcode(case: Case) -> int:
    """The revision of the fixed world's microcode: the sums of the letters of architecture and version."""
    return sum(map(ord, case["arch"])) * 100_000 + sum(map(ord, case["caps_version"]))


def _qemu(case: Case, root: Path) -> str:
    digest = digest_of(
        recorded((root / case["input"][0]).read_text()),
        emulator=_emulator(case["arch"]),
        hvf=case.get("caps_variant") == "+hvf",
        microcode=_microcode(case),
    )
    return digest.format()


def _empty_host(arch: str) -> Host:
    return Host(cpu=HostCpu(arch=arch), power_management=PowerManagement(), iommu=Iommu(support=False))


def _guests(case: Case, root: Path) -> str:
    if not case["input"]:
        raise Refused("the capabilities that this case is about are not there")
    digest = Digest.parse((root / case["input"][0]).read_bytes())
    return Capabilities(host=_empty_host(case["arch"]), guests=[guest_of(digest, machines=False)]).format()


def _memory(node: int) -> tuple[int, dict[int, int]]:
    """The fixed world's memory: each node has more than the one before, each page size more pages."""
    pages = {size: 2048 * (node + index + 1) for index, size in enumerate((4, 2048, 1048576))}
    return 1048576 * (node + 1), pages


@contextlib.contextmanager
def _tree(archive: Path, name: str) -> Iterator[Path]:
    """One host's tree; the archive has those of many, and some have parts in common."""
    with tempfile.TemporaryDirectory(prefix="tree-") as folder, tarfile.open(archive) as packed:
        members, wanted, seen = packed.getmembers(), [name.rstrip("/")], set[str]()
        while wanted:
            part = wanted.pop()
            chosen = [each for each in members if each.name == part or each.name.startswith(f"{part}/")]
            chosen = [each for each in chosen if each.name not in seen]
            seen.update(each.name for each in chosen)
            packed.extractall(folder, chosen, filter="data")
            wanted += [normpath(f"{dirname(each.name)}/{each.linkname}") for each in chosen if each.issym()]
        yield Path(folder) / name


def _host(case: Case, root: Path) -> str:
    host = _empty_host(case["arch"])
    options = case["options"]
    if options["offlineMigrate"] == "true":
        host.migration = Migration(live=options["liveMigrate"] == "true")
    with _tree(root / "host-trees.tar.xz", case["host_tree"].removeprefix("tests/")) as tree:
        sysfs = Sysfs(tree / "system", tree / "resctrl", memory=_memory, distances=False)
        host.topology, host.cache = sysfs.topology(), sysfs.caches()
        host.memory_bandwidth = sysfs.memory_bandwidth(host.cache)
    return Capabilities(host=host).format()


#: The images that the test program pretends to know.
_LOADERS = ["/obviously/fake/firmware1.fd", "/obviously/fake/firmware2.fd"]


def _firmware(root: Path) -> list[Descriptor]:
    base = root / "tests/qemufirmwaredata"
    return installed(base / folder / "qemu/firmware" for folder in ("home/user/.config", "etc", "usr/share"))


def _domain(case: Case, root: Path) -> str:
    if not case["input"]:
        raise Refused("the capabilities that this case is about are not there")
    options = case["options"]
    digest = Digest.parse((root / case["input"][0]).read_bytes())
    if digest.sev is not None:
        digest.sev.max_guests, digest.sev.max_es_guests = 59, 450
    site = Site(
        firmware=_firmware(root),
        cpus=CpuTable.load(root / "cpu_map"),
        power=PowerTable.load(root / "cpu_map"),
        loaders=_LOADERS,
        tpm_versions=options["tpm_versions"].split(","),
        cpu=HostCpu(arch="ppc64", model="POWER8"),
        address_bits=64,
    )
    return Offering(digest, site, options["virttype"], options["machine"]).document().format()


def _selected(case: Case, root: Path) -> str:
    options = case["options"]
    arch = options["arch"].removeprefix("VIR_ARCH_").lower()
    found = suitable(_firmware(root), arch, options["machine"])
    return "".join(f"{each.code.filename}:{each.variables.filename if each.variables else 'NULL'}:" for each in found)


def _descriptor(case: Case, root: Path) -> str:
    descriptor = Descriptor.parse((root / case["input"][0]).read_text())
    # The test program leaves the remarks aside; where the output is the input, they are expected all the same.
    return json.dumps(descriptor.document(remarks=case["expected"] == case["input"]))


def _firmwares(case: Case, root: Path) -> dict[str, str]:
    if case["input"]:
        return dict.fromkeys(case["expected"], _descriptor(case, root))
    return {"answer": _selected(case, root).removesuffix(":")}


def _migration(case: Case, root: Path) -> dict[str, str]:
    reply = json.loads((root / case["input"][0]).read_text())["return"]
    parameters = MigrationParameters.of_reply(reply)
    xml = f"<test>\n{parameters.element().format()}</test>\n"
    again = MigrationParameters.of_element(Parameters.parse(parameters.element().format()))
    outputs = {".xml": xml, ".json": json.dumps(again.arguments())}
    return {path: outputs[Path(path).suffix] for path in case["expected"]}


_ANSWERS: dict[str, Callable[[Case, Path], str]] = {
    "capabilities": _host,
    "domaincaps": _domain,
    "qemucapabilities": _qemu,
    "qemucaps2xml": _guests,
}

_DOCUMENTS: dict[str, Callable[[Case, Path], dict[str, str]]] = {
    "qemufirmware": _firmwares,
    "qemumigparams": _migration,
}

FAMILIES = frozenset(_ANSWERS) | frozenset(_DOCUMENTS)
