"""Domains as XAPI's records, both ways.

XAPI gives its virtual machines UUIDs of its own and has no place for most of libvirt's vocabulary: the domain's UUID
and definition are kept in the record's other_config, which the pool keeps for whoever asks.
"""

from __future__ import annotations

from uuid import UUID

from virtbus.domain import Domain, DomainType, Form, complete
from virtbus.domain.boot import BootDevice, Os, OsType, OsTypeName
from virtbus.domain.memory import CurrentMemory, Memory
from virtbus.domain.power import LifecycleAction
from virtbus.domain.tuning import Vcpu
from virtbus.errors import VirtbusError
from virtbus.state import DomainState
from virtbus_xen import implied
from virtbus_xen.config.booting import MACHINES
from virtbus_xen.config.guest import is_full
from virtbus_xen.xapi.rpc import NULL, Record

UUID_KEY, DEFINITION_KEY, LIVE_KEY = "virtbus-uuid", "virtbus-definition", "virtbus-live"
RUN_KEY, JOB_KEY, NUMBER_KEY = "virtbus-run", "virtbus-job", "virtbus-number"

STATES = {
    "Running": DomainState.RUNNING,
    "Paused": DomainState.PAUSED,
    "Halted": DomainState.SHUTOFF,
    "Suspended": DomainState.SHUTOFF,
}

_ACTIONS = {
    LifecycleAction.DESTROY: "destroy",
    LifecycleAction.RESTART: "restart",
    LifecycleAction.PRESERVE: "preserve",
    LifecycleAction.COREDUMP_DESTROY: "coredump_and_destroy",
    LifecycleAction.COREDUMP_RESTART: "coredump_and_restart",
    LifecycleAction.RENAME_RESTART: "rename_restart",
}
_LETTERS = {BootDevice.HD: "c", BootDevice.CDROM: "d", BootDevice.NETWORK: "n", BootDevice.FD: "a"}


def is_domain(record: Record) -> bool:
    """Whether a VM's record is a domain: no template, no snapshot, not dom0."""
    return not (record["is_a_template"] or record["is_a_snapshot"] or record["is_control_domain"])


def uuid_of(record: Record) -> UUID:
    """The domain's UUID: ours, where we made it."""
    return UUID(record["other_config"].get(UUID_KEY) or record["uuid"])


def written(domain: Domain) -> Record:
    """The record of a VM to be created for a domain."""
    assert domain.memory is not None
    assert domain.vcpu is not None
    assert domain.os is not None
    most = domain.memory.kib * 1024
    now = (domain.current_memory.kib if domain.current_memory is not None else domain.memory.kib) * 1024
    full = is_full(domain)
    return {
        "name_label": domain.name,
        "name_description": domain.description or "",
        "user_version": "1",
        "is_a_template": False,
        "affinity": NULL,
        "memory_static_max": str(most), "memory_dynamic_max": str(now), "memory_dynamic_min": str(now),
        "memory_static_min": str(min(now, 16 << 20)),
        "VCPUs_params": {},
        "VCPUs_max": str(domain.vcpu.count),
        "VCPUs_at_startup": str(domain.vcpu.current or domain.vcpu.count),
        "actions_after_shutdown": _ACTIONS[domain.on_poweroff or LifecycleAction.DESTROY],
        "actions_after_reboot": _ACTIONS[domain.on_reboot or LifecycleAction.RESTART],
        "actions_after_crash": _ACTIONS[domain.on_crash or LifecycleAction.DESTROY],
        "PV_bootloader": "" if full else domain.bootloader or "",
        "PV_bootloader_args": domain.bootloader_args or "",
        "PV_kernel": domain.os.kernel or "", "PV_ramdisk": domain.os.initrd or "", "PV_args": domain.os.cmdline or "",
        "PV_legacy_args": "",
        "HVM_boot_policy": "BIOS order" if full else "",
        "HVM_boot_params": {"order": "".join(_LETTERS[each] for each in domain.os.boots)} if full else {},
        "HVM_shadow_multiplier": 1.0,
        "platform": {},
        "PCI_bus": "",
        "recommendations": "",
        "other_config": {UUID_KEY: str(domain.uuid), DEFINITION_KEY: domain.format(secure=True)},
    }  # fmt: skip


def read(record: Record, key: str = DEFINITION_KEY) -> Domain:
    """The domain that a VM's record is: as it was defined here, else as far as the record tells."""
    text = record["other_config"].get(key)
    if text:
        try:
            return Domain.parse(text)
        except VirtbusError:
            # Somebody has changed it; what the pool itself says is left.
            pass
    name = OsTypeName.HVM if record.get("HVM_boot_policy") else OsTypeName.LINUX
    most = int(record["memory_static_max"]) // 1024
    count, now = int(record["VCPUs_max"]), int(record["VCPUs_at_startup"])
    domain = Domain(
        type=DomainType.XEN, name=record["name_label"] or record["uuid"], uuid=uuid_of(record),
        memory=Memory(kib=most),
        current_memory=CurrentMemory(kib=int(record["memory_dynamic_max"]) // 1024 or most),
        vcpu=Vcpu(count=count, current=now if now < count else None),
        bootloader=record.get("PV_bootloader") or None,
        os=Os(type=OsType(arch="x86_64", machine=MACHINES[name], name=name), kernel=record.get("PV_kernel") or None,
              initrd=record.get("PV_ramdisk") or None, cmdline=record.get("PV_args") or None),
    )  # fmt: skip
    implied.furnish(domain)
    complete(domain)
    return domain


def live_text(domain: Domain) -> str:
    """A live definition, to be kept in the record."""
    return domain.format(Form.LIVE, secure=True)
