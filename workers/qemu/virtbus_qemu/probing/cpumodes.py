"""The ways in which a domain may choose its processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtbus.capabilities.domain import Blockers, BlockingFeature, CpuMode, NamedModel, Values
from virtbus.cpu import decode
from virtbus.domain.cpu import CpuFeature, CpuFeaturePolicy, PhysicalAddress
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.probing.digest import Accelerator, Digest, GuestModel, HostModel
from virtbus_qemu.probing.guests import PC
from virtbus_qemu.probing.hostmodel import cpu_data

if TYPE_CHECKING:
    from virtbus_qemu.probing.offer import Site

_POWER = frozenset({"ppc64", "ppc64le"})


class CpuModes:
    """What one accelerator offers.

    :param virt: kvm, qemu or hvf.
    """

    def __init__(self, digest: Digest, site: Site, virt: str) -> None:
        self.digest = digest
        self.site = site
        self.arch = digest.head.arch
        self.native = virt != "qemu"
        self.accelerator = digest.accelerator(virt if self.native else "tcg") or Accelerator(virt)

    def modes(self) -> list[CpuMode]:
        """In libvirt's order."""
        migratable = ["on", "off"] if self.digest.has("cpu.migratable") else ["off"]
        custom = self._custom()
        return [
            _mode("host-passthrough", self.native, "hostPassthroughMigratable", migratable),
            _mode("maximum", self.digest.has("cpu-max"), "maximumMigratable", ["on", "off"]),
            self._host_model() or CpuMode(name="host-model", supported=False),
            custom or CpuMode(name="custom", supported=False),
        ]

    def _custom(self) -> CpuMode | None:
        models = sorted((cpu for cpu in self.accelerator.cpus if self._is_known(cpu.name)), key=lambda cpu: cpu.name)
        if not models:
            return None
        mode = CpuMode(name="custom", supported=True)
        for cpu in models:
            usable = {True: "yes", False: "no", None: "unknown"}[cpu.usable]
            mode.models.append(
                NamedModel(
                    name=cpu.name,
                    usable=usable,
                    deprecated=cpu.deprecated,
                    vendor=self._vendor(cpu.name) or "unknown",
                    canonical=self._canonical(cpu.name),
                )
            )
            names = sorted(self._lacking(cpu))
            if names:
                features = [BlockingFeature(name=name) for name in names]
                mode.blockers.append(Blockers(model=cpu.name, features=features))
        return mode

    def _lacking(self, cpu: GuestModel) -> set[str]:
        """What keeps a model from running here, in libvirt's names."""
        names = (blocker.name for blocker in cpu.blockers)
        return {self.site.cpus.aliases.get(name, name) for name in names} if self.arch in PC else set(names)

    def _is_known(self, name: str) -> bool:
        """Whether libvirt knows a model; on other architectures QEMU's own are as good, but `host` is a mode."""
        if self.arch in PC:
            return name in self.site.cpus.models
        if self.arch in _POWER:
            return name in self.site.power.models
        return name != "host"

    def _vendor(self, name: str) -> str | None:
        if self.arch in PC:
            return self.site.cpus.models[name].vendor
        if self.arch in _POWER:
            return self.site.power.models[name]
        # All real models of s390 are IBM's, and are named after machines (z900) or generations (gen15a).
        return "IBM" if self.arch == "s390x" and name.startswith(("z", "gen")) else None

    def _canonical(self, name: str) -> str | None:
        """The version of a model that its plain name means."""
        if self.arch not in PC:
            return None
        versions = (model.name for model in self.site.cpus.models.values() if model.canonical == name)
        return next(versions, None)

    def _host_model(self) -> CpuMode | None:
        host = self.accelerator.host
        if self.arch in PC:
            found = self._decoded(host) if host is not None else None
        elif self.arch == "s390x":
            found = _static(host) if host is not None else None
        elif self.arch in _POWER and self.native and self.site.cpu is not None:
            model = NamedModel(name=self.site.cpu.model or "", fallback="allow")
            found = CpuMode(name="host-model", supported=True, models=[model])
        else:
            found = None
        if found is not None and self.native and self.site.address_bits and self.arch != "s390x":
            found.maxphysaddr = PhysicalAddress(mode="passthrough", limit=self.site.address_bits)
        return found

    def _decoded(self, host: HostModel) -> CpuMode | None:
        """The named model that comes nearest to what the accelerator can give."""
        values = {each.name: _value(each.value) for each in host.properties}
        models = {cpu.name: sorted(self._lacking(cpu)) for cpu in self.accelerator.cpus}
        try:
            found = decode(self.site.cpus, cpu_data(self.site.cpus, values), models=models)
        except ConfigUnsupported:
            # No model that libvirt knows fits this host; then there is no host-model.
            return None
        cpu = found.guest()
        return CpuMode(
            name="host-model",
            supported=True,
            models=[NamedModel(name=found.model, fallback="forbid")],
            vendor=found.vendor,
            features=cpu.features,
        )


def _mode(name: str, supported: bool, choice: str, values: list[str]) -> CpuMode:
    return CpuMode(name=name, supported=supported, enums=[Values(name=choice, values=values)] if supported else [])


def _value(text: str | None) -> bool | int | str | None:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text and text.isdecimal() else text


def _static(host: HostModel) -> CpuMode:
    """A host whose properties are its features."""
    policies = {"true": CpuFeaturePolicy.REQUIRE, "false": CpuFeaturePolicy.DISABLE}
    features = [
        CpuFeature(name=each.name, policy=policies[each.value or ""])
        for each in host.properties
        if each.value in policies
    ]
    return CpuMode(
        name="host-model",
        supported=True,
        models=[NamedModel(name=host.model, fallback="forbid")],
        features=features,
    )
