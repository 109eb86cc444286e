"""The table of x86 processors as a QEMU binary itself tells it, where no other table is installed.

QEMU knows which features each of its models has, and which real processor it stands for (query-cpu-definitions,
query-cpu-model-expansion); it does not tell where CPUID shows a feature, so that this table reads QEMU's answers, not a
processor's registers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from virtbus.cpu.table import CpuTable, Feature, Match, Model, Vendor
from virtbus_qemu.probing.replies import Session

VENDORS = {"Intel": "GenuineIntel", "AMD": "AuthenticAMD", "Hygon": "HygonGenuine"}

#: QEMU's spelling of a feature to libvirt's, where they differ.
SPELLINGS = {
    "cmp-legacy": "cmp_legacy",
    "ds-cpl": "ds_cpl",
    "ffxsr": "fxsr_opt",
    "fxsr-opt": "fxsr_opt",
    "i64": "lm",
    "lahf-lm": "lahf_lm",
    "nodeid-msr": "nodeid_msr",
    "nrip_save": "nrip-save",
    "pause_filter": "pause-filter",
    "pclmulqdq": "pclmuldq",
    "perfctr-core": "perfctr_core",
    "perfctr-nb": "perfctr_nb",
    "sse3": "pni",
    "sse4-1": "sse4.1",
    "sse4-2": "sse4.2",
    "sse4_1": "sse4.1",
    "sse4_2": "sse4.2",
    "svm_lock": "svm-lock",
    "tsc-adjust": "tsc_adjust",
    "tsc_scale": "tsc-scale",
    "vmcb_clean": "vmcb-clean",
    "xd": "nx",
}

#: Models of no maker: QEMU must name one in CPUID, but any processor that has their features can pass for them.
_ANYBODYS = frozenset({"486", "pentium", "pentium2", "pentium3", "qemu32", "qemu64", "kvm32", "kvm64"})

#: What the hypervisor adds to every processor, and is none of a model's own.
_ADDED = frozenset({"hypervisor"})
_PARAVIRTUAL = ("kvm", "hv-", "hv_", "xen-")

#: Features with which a guest is bound to its host: a clock that another host cannot continue.
_BOUND = frozenset({"invtsc"})


def table_of(session: Session) -> CpuTable:
    """The models of a binary that was asked for the expansion of each; empty where it has no such question."""
    table = _empty()
    known = {entry["name"]: entry for entry in session.ask("query-cpu-definitions") or ()}
    expanded = {name: found for name in known if (found := expansion(session, name)) is not None}
    for properties in expanded.values():
        for name in _features(properties):
            _add_feature(table, name)
    plain_names = {entry["alias-of"]: name for name, entry in known.items() if "alias-of" in entry}
    models = [_model(table, name, properties, plain_names.get(name)) for name, properties in expanded.items()]
    # The richest is tried first, and the table is read from its end; names decide where models are alike.
    table.models = {model.name: model for model in sorted(models, key=lambda each: (each.bits.bit_count(), each.name))}
    return table


def written(table: CpuTable) -> str:
    """A table of `table_of` as JSON, for a cache."""
    return json.dumps(
        {
            "features": list(table.features),
            "models": [
                {
                    "name": model.name,
                    "features": table.names(model.bits),
                    "vendor": model.vendor,
                    "signatures": [[match.family, match.model] for match in model.signatures],
                    "canonical": model.canonical,
                }
                for model in table.models.values()
            ],
        }
    )


def read(text: str) -> CpuTable:
    """What `written` wrote.

    :raise ValueError, KeyError: it was something else.
    """
    known = json.loads(text)
    table = _empty()
    for name in known["features"]:
        _add_feature(table, name)
    for entry in known["models"]:
        signatures = tuple(Match(family, number) for family, number in entry["signatures"])
        table.models[entry["name"]] = Model(
            name=entry["name"],
            bits=table.bits(entry["features"]),
            vendor=entry["vendor"],
            signatures=signatures,
            host=entry["canonical"] is None,
            guest=entry["canonical"] is None,
            canonical=entry["canonical"],
        )
    return table


def _empty() -> CpuTable:
    vendors = {name: Vendor(name, letters) for name, letters in VENDORS.items()}
    return CpuTable(vendors=vendors, aliases=dict(SPELLINGS))


def _add_feature(table: CpuTable, name: str) -> None:
    table.features.setdefault(name, Feature(name, 1 << len(table.features), name not in _BOUND))


def expansion(session: Session, name: str) -> Mapping[str, Any] | None:
    """The properties of one model, where it was asked about."""
    found = session.ask("query-cpu-model-expansion", type="static", model={"name": name})
    return None if found is None or name in ("host", "max", "base") else found["model"]["props"]


def _features(properties: Mapping[str, Any]) -> list[str]:
    """The features among a model's properties, in libvirt's names, whether it has them or not."""
    names = (name for name, value in properties.items() if isinstance(value, bool))
    own = (name for name in names if name not in _ADDED and not name.startswith(_PARAVIRTUAL))
    return list(dict.fromkeys(SPELLINGS.get(name, name) for name in own))


def _model(table: CpuTable, name: str, properties: Mapping[str, Any], plain: str | None) -> Model:
    """A model; `plain` is the name without a version, where that means this one."""
    has = {SPELLINGS.get(key, key) for key, value in properties.items() if value is True}
    anybodys = (plain or name) in _ANYBODYS
    numbers = [] if anybodys else [properties.get(key) for key in ("family", "model")]
    match numbers:
        case [int(family), int(number)]:
            signatures: tuple[Match, ...] = (Match(family, number),)
        case _:
            signatures = ()
    return Model(
        name=name,
        bits=table.bits(has & table.features.keys()),
        vendor=None if anybodys else table.vendor_of(properties.get("vendor")),
        signatures=signatures,
        host=plain is None,
        guest=plain is None,
        canonical=plain,
    )
