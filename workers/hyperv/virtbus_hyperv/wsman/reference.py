"""References to WMI instances: as endpoints of WS-Addressing, and as the paths that WMI itself writes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from virtbus.errors import HypervisorError
from virtbus_hyperv.wsman.names import ADDRESSING, ANONYMOUS, VIRTUALIZATION, WMI, WSMAN, tag

_PATH = re.compile(r"^(?:\\\\(?P<host>[^\\]+)\\)?(?:(?P<namespace>[^:]+):)?(?P<kind>\w+)\.(?P<keys>.+)$")
_KEY = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\w+))')


@dataclass(frozen=True)
class Reference:
    """One instance, by its class and its keys."""

    kind: str
    keys: tuple[tuple[str, str], ...]
    namespace: str = VIRTUALIZATION

    @property
    def uri(self) -> str:
        """The resource URI of its class."""
        return class_uri(self.kind, self.namespace)

    def key(self, name: str) -> str:
        """The value of a key; empty where it has no such key."""
        return dict(self.keys).get(name, "")

    def path(self, host: str = ".") -> str:
        """WMI's own form, with backslashes and quotes escaped: what Parent and HostResource hold."""
        keys = ",".join(f'{name}="{_escaped(value)}"' for name, value in self.keys)
        namespace = self.namespace.replace("/", "\\")
        return f"\\\\{host}\\{namespace}:{self.kind}.{keys}"

    def object_path(self) -> str:
        """The form inside the braces of ASSOCIATORS OF."""
        return f"{self.kind}." + ",".join(f'{name}="{_escaped(value)}"' for name, value in self.keys)

    def write(self, parent: etree._Element) -> None:
        """Write it into an element as an endpoint reference."""
        etree.SubElement(parent, tag(ADDRESSING, "Address")).text = ANONYMOUS
        parameters = etree.SubElement(parent, tag(ADDRESSING, "ReferenceParameters"))
        etree.SubElement(parameters, tag(WSMAN, "ResourceURI")).text = self.uri
        write_selectors(parameters, self.keys)


def class_uri(kind: str, namespace: str = VIRTUALIZATION) -> str:
    """The resource URI of a class; `*` stands for all of a namespace."""
    return f"{WMI}/{namespace}/{kind}"


def write_selectors(parent: etree._Element, keys: tuple[tuple[str, str], ...]) -> None:
    """Write the keys of an instance; a singleton has none."""
    if not keys:
        return
    selectors = etree.SubElement(parent, tag(WSMAN, "SelectorSet"))
    for name, value in keys:
        etree.SubElement(selectors, tag(WSMAN, "Selector"), Name=name).text = value


def read_reference(node: etree._Element) -> Reference | None:
    """The reference that an element holds; None if it holds none."""
    uri = node.findtext(f".//{tag(WSMAN, 'ResourceURI')}")
    if uri is None or not uri.startswith(f"{WMI}/"):
        return None
    namespace, _, kind = uri[len(WMI) + 1 :].rpartition("/")
    keys = ((selector.get("Name", ""), selector.text or "") for selector in node.iter(tag(WSMAN, "Selector")))
    return Reference(kind, tuple(keys), namespace)


def parse_path(path: str) -> Reference:
    """The reference that a path of WMI means.

    :raises HypervisorError: it is none.
    """
    match = _PATH.match(path)
    if match is None:
        raise HypervisorError("WMI gave a path that makes no sense", evidence={"answer": path})
    keys = tuple(
        (name, re.sub(r"\\(.)", r"\1", quoted) if quoted or not bare else bare)
        for name, quoted, bare in _KEY.findall(match["keys"])
    )
    namespace = (match["namespace"] or VIRTUALIZATION).replace("\\", "/").lower()
    return Reference(match["kind"], keys, namespace)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
