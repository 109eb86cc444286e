"""What security labels may not be."""

from __future__ import annotations

from collections.abc import Iterator

from virtbus.domain.chardev import CharDevice
from virtbus.domain.checks.problem import Problems, detail, malformed, places, twice
from virtbus.domain.disk import Disk
from virtbus.domain.domain import Domain
from virtbus.domain.security import DeviceSecurityLabel


def check_domain_labels(domain: Domain) -> Problems:
    """Each security driver labels the domain once."""
    labels = domain.seclabels
    models = ((label.model, f"/domain/seclabel[{number}]") for number, label in enumerate(labels, start=1))
    for model, first, again in twice((model, path) for model, path in models if model is not None):
        yield detail(f"seclabel for model {model} is already provided", again, f"{first} has it too")


def check_device_labels(domain: Domain) -> Problems:
    """A resource is relabelled only with a label, and labelled only where it may be relabelled."""
    for path, label in _device_labels(domain):
        model = label.model or "(null)"
        if label.relabel and label.label is None:
            yield malformed(f"Cannot specify relabel if label is missing. model={model}", path)
        if label.relabel is False and label.label is not None:
            yield malformed(f"Cannot specify a label if relabelling is turned off. model={model}", path)


def _device_labels(domain: Domain) -> Iterator[tuple[str, DeviceSecurityLabel]]:
    for path, device in places(domain):
        if isinstance(device, CharDevice):
            sources = [source.seclabels for source in device.sources]
        elif isinstance(device, Disk) and device.source is not None:
            sources = [device.source.seclabels]
        else:
            continue
        for labels in sources:
            yield from ((f"{path}/source/seclabel", label) for label in labels)
