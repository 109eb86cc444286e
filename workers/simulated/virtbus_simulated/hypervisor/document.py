"""The live definition as the hypervisor keeps it: small changes to a domain's XML, device by device."""

from __future__ import annotations

from lxml import etree

from virtbus.errors import InvalidArgument
from virtbus.xml.document import parse_document
from virtbus_simulated.hypervisor.refusal import Refused, Why


class LiveDocument:
    """A domain's XML, open for a change; `text` is what it became."""

    def __init__(self, text: str) -> None:
        self._root = _parse(text, "domain")
        devices = self._root.find("devices")
        self._devices = etree.SubElement(self._root, "devices") if devices is None else devices

    @property
    def text(self) -> str:
        """The document."""
        return etree.tostring(self._root, encoding="unicode") + "\n"

    def aliases(self) -> list[str]:
        """The aliases of all devices."""
        return [alias for device in self._devices if (alias := _alias(device))]

    def add(self, alias: str, device: str) -> None:
        """Put a device after the last one of its kind."""
        if self._find(alias) is not None:
            raise Refused(Why.EXISTS, f"Duplicate device ID '{alias}'")
        element = _parse(device, None)
        if _alias(element) != alias:
            raise Refused(Why.BAD_REQUEST, f"the device's XML does not have the alias {alias}")
        siblings = self._devices.findall(element.tag)
        if siblings:
            siblings[-1].addnext(element)
        else:
            self._devices.append(element)

    def remove(self, alias: str) -> None:
        """Take a device away."""
        self._devices.remove(self.device(alias))

    def replace(self, alias: str, device: str) -> None:
        """Put another description in a device's place."""
        element = _parse(device, None)
        if _alias(element) != alias:
            raise Refused(Why.BAD_REQUEST, f"the device's XML does not have the alias {alias}")
        self._devices.replace(self.device(alias), element)

    def device(self, alias: str) -> etree._Element:
        """A device's element.

        :raises Refused: there is none.
        """
        found = self._find(alias)
        if found is None:
            raise Refused(Why.NO_DEVICE, f"Device '{alias}' not found")
        return found

    def set_id(self, number: int) -> None:
        """Set the number of the running domain."""
        self._root.set("id", str(number))

    def set_vcpus(self, count: int) -> None:
        """Set how many virtual CPUs are plugged."""
        vcpu = self._part("vcpu")
        if (vcpu.text or "1").strip() == str(count):
            vcpu.attrib.pop("current", "")
        else:
            vcpu.set("current", str(count))

    def set_memory(self, kibibytes: int) -> None:
        """Set the balloon's target."""
        current = self._part("currentMemory")
        current.set("unit", "KiB")
        current.text = str(kibibytes)

    def _part(self, tag: str) -> etree._Element:
        found = self._root.find(tag)
        return etree.SubElement(self._root, tag) if found is None else found

    def _find(self, alias: str) -> etree._Element | None:
        return next((device for device in self._devices if _alias(device) == alias), None)


def _alias(device: etree._Element) -> str | None:
    alias = device.find("alias")
    return None if alias is None else alias.get("name")


def _parse(text: str, tag: str | None) -> etree._Element:
    try:
        root = parse_document(text)
    except InvalidArgument as error:
        raise Refused(Why.BAD_REQUEST, error.message) from error
    if tag is not None and root.tag != tag:
        raise Refused(Why.BAD_REQUEST, f"the document is a <{root.tag}>, not a <{tag}>")
    return root
