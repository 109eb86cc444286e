"""Domains that somebody else made with xl: their definition, from libxl's JSON."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from virtbus.domain import Domain, DomainType, complete
from virtbus_xen import implied
from virtbus_xen.config import booting, disks, guest, interfaces
from virtbus_xen.config.dialect import Dialect
from virtbus_xen.config.syntax import Settings, Value

Json = dict[str, Any]

_DISK = {"format": "format", "vdev": "vdev", "backend": "backendtype"}
_NIC = {"mac": "mac", "bridge": "bridge", "ip": "ip", "script": "script", "model": "model", "ifname": "vifname"}


def read(described: Json, uuid: UUID) -> Domain:
    """The domain that an entry of `xl list -l` describes: size, what it boots, disks and interfaces."""
    said: Json = described.get("config", {})
    creation, build = said.get("c_info", {}), said.get("b_info", {})
    kind = str(creation.get("type", "pv"))
    own: Json = build.get(f"type.{kind}", {})
    booted = {name: build.get(name) or own.get(name) for name in ("kernel", "ramdisk", "cmdline")}
    settings = Settings({
        "type": kind,
        "memory": _mib(build.get("target_memkb")), "maxmem": _mib(build.get("max_memkb")),
        "vcpus": len(build.get("avail_vcpus") or [0]), "maxvcpus": int(build.get("max_vcpus") or 1),
        **{name: str(value) for name, value in booted.items() if value},
        **{name: str(own[name]) for name in ("bootloader", "boot") if own.get(name)},
        "disk": [_disk(each) for each in said.get("disks", [])],
        "vif": [_nic(each) for each in said.get("nics", [])],
    })  # fmt: skip
    domain = Domain(type=DomainType.XEN, name=str(creation.get("name", uuid)), uuid=uuid)
    domain.os = booting.read_type(settings, "x86_64")
    for part in (guest.read_size, guest.read_clock, booting.read, disks.read, interfaces.read):
        part(settings, domain, Dialect.XL)
    implied.furnish(domain)
    complete(domain)
    return domain


def _mib(kibibytes: object) -> int:
    return max(1, int(str(kibibytes or 0)) // guest.KIB)


def _disk(said: Json) -> Value:
    words = [f"{key}={said[name]}" for name, key in _DISK.items() if said.get(name) not in (None, "unknown", "empty")]
    words.append("access=rw" if said.get("readwrite") else "access=ro")
    if said.get("is_cdrom"):
        words.append("devtype=cdrom")
    return ",".join([*words, f"target={said.get('pdev_path', '')}"])


def _nic(said: Json) -> Value:
    return ",".join(f"{key}={said[name]}" for name, key in _NIC.items() if said.get(name))
