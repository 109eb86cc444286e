"""What Hyper-V's interfaces may not be: each needs those that it is built on."""

from __future__ import annotations

from virtbus.domain.checks.problem import Problems, unsupported
from virtbus.domain.features import Hyperv, HypervMode
from virtbus_qemu.checks.scene import Scene

_NEEDS = (("synic", "vpindex"), ("stimer", "synic"), ("tlbflush", "vpindex"), ("ipi", "vpindex"), ("evmcs", "vapic"))
"""Interfaces, and what each is built on."""


def check_hyperv(scene: Scene) -> Problems:
    """Interfaces that lack what they are built on, and guests that cannot have any."""
    hyperv = scene.domain.features.hyperv if scene.domain.features is not None else None
    if hyperv is None:
        return
    path, platform = "/domain/features/hyperv", scene.platform
    chosen = hyperv.mode is not HypervMode.PASSTHROUGH
    if not platform.is_x86 and platform.arch != "aarch64":
        yield unsupported(
            f"Hyperv features are not supported for architecture '{platform.arch}' or machine type "
            f"'{platform.machine}'",
            path,
        )
    for name, needed in _NEEDS if chosen else ():
        if _is_on(hyperv, name) and not _is_on(hyperv, needed):
            yield unsupported(f"'{name}' hyperv feature requires '{needed}' hyperv feature", f"{path}/{name}")


def _is_on(hyperv: Hyperv, name: str) -> bool:
    feature = getattr(hyperv, name)
    return feature is not None and feature.state is not False
