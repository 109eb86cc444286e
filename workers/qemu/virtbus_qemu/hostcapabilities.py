"""The host's capabilities as libvirt's <capabilities> document."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID

from lxml import etree

from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.probing.digest import MachineType


def host_capabilities(capabilities: Capabilities, machine: str) -> str:
    """libvirt's document on what guests this host can run.

    :param machine: the machine's identity, 32 hexadecimal digits where it has a machine-id.
    """
    root = etree.Element("capabilities")
    _host(etree.SubElement(root, "host"), capabilities, machine)
    guest = etree.SubElement(root, "guest")
    etree.SubElement(guest, "os_type").text = "hvm"
    arch = etree.SubElement(guest, "arch", name=capabilities.arch)
    etree.SubElement(arch, "wordsize").text = "64"
    etree.SubElement(arch, "emulator").text = capabilities.emulator
    for known in capabilities.machines:
        _machine(arch, known)
    etree.SubElement(arch, "domain", type="qemu")
    if capabilities.kvm_usable:
        etree.SubElement(arch, "domain", type="kvm")
    features = etree.SubElement(guest, "features")
    for name in ("acpi", "apic"):
        etree.SubElement(features, name, default="on", toggle="yes" if name == "acpi" else "no")
    etree.SubElement(features, "cpuselection")
    etree.SubElement(features, "deviceboot")
    etree.SubElement(features, "disksnapshot", default="on", toggle="no")
    return etree.tostring(root, pretty_print=True, encoding="unicode")


def _host(host: etree._Element, capabilities: Capabilities, machine: str) -> None:
    if len(machine) == 32:
        etree.SubElement(host, "uuid").text = str(UUID(hex=machine))
    cpu = etree.SubElement(host, "cpu")
    etree.SubElement(cpu, "arch").text = capabilities.arch
    vendor = _cpuinfo("vendor_id")
    if vendor is not None:
        etree.SubElement(cpu, "vendor").text = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD"}.get(vendor, vendor)
    etree.SubElement(cpu, "topology", sockets="1", dies="1", cores=str(os.cpu_count() or 1), threads="1")
    topology = etree.SubElement(host, "topology")
    cells = etree.SubElement(topology, "cells", num="1")
    cell = etree.SubElement(cells, "cell", id="0")
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
    etree.SubElement(cell, "memory", unit="KiB").text = str(pages)


def _machine(arch: etree._Element, machine: MachineType) -> None:
    properties = {"maxCpus": str(machine.max_cpus)}
    if machine.deprecated:
        properties["deprecated"] = "yes"
    if machine.alias is not None:
        etree.SubElement(arch, "machine", {"canonical": machine.name, **properties}).text = machine.alias
    etree.SubElement(arch, "machine", properties).text = machine.name


def _cpuinfo(key: str) -> str | None:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None
