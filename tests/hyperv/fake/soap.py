"""Envelopes: requests read, answers and faults written, as MS-WSMV and DSP0226 have them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

S = "http://www.w3.org/2003/05/soap-envelope"
A = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
W = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
N = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
X = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi"
FAULT = f"{A}/fault"

LEAST_ENVELOPE = 8192


@dataclass
class Ref:
    """A reference to an instance."""

    kind: str
    keys: dict[str, str]
    namespace: str = "root/virtualization/v2"


@dataclass
class Embedded:
    """An instance inside another one's property."""

    kind: str
    values: dict[str, Any]


class WsmanFault(Exception):
    """What is answered instead of a result."""

    def __init__(self, subcode: str, reason: str, number: int = 0) -> None:
        super().__init__(reason)
        self.subcode = subcode
        self.reason = reason
        self.number = number


@dataclass
class Request:
    """What a client asked."""

    action: str
    uri: str
    selectors: dict[str, str]
    body: etree._Element | None
    limit: int
    message: str

    @property
    def kind(self) -> str:
        return self.uri.rpartition("/")[2]

    @property
    def namespace(self) -> str:
        return self.uri.removeprefix(f"{WMI}/").rpartition("/")[0].lower()


def read(data: bytes) -> Request:
    """:raises WsmanFault: it is no envelope, or lacks what it must have."""
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError as error:
        raise WsmanFault("w:SchemaValidationError", str(error)) from None
    header, body = root.find(f"{{{S}}}Header"), root.find(f"{{{S}}}Body")
    if header is None or body is None:
        raise WsmanFault("s:Sender", "no envelope")
    uri = header.findtext(f"{{{W}}}ResourceURI")
    action, message = header.findtext(f"{{{A}}}Action"), header.findtext(f"{{{A}}}MessageID")
    if not action or not message or not header.findtext(f"{{{A}}}To"):
        raise WsmanFault("a:MessageInformationHeaderRequired", "a header is missing")
    limit = int(header.findtext(f"{{{W}}}MaxEnvelopeSize", "153600"))
    if limit < LEAST_ENVELOPE:
        raise WsmanFault("w:EncodingLimit", f"MaxEnvelopeSize must be at least {LEAST_ENVELOPE}", 0x80338041)
    nodes = header.findall(f"{{{W}}}SelectorSet/{{{W}}}Selector")
    selectors = {node.get("Name", ""): node.text or "" for node in nodes}
    return Request(action, uri or "", selectors, body[0] if len(body) else None, limit, message)


def write(request: Request, action: str, body: str) -> bytes:
    """An answer.

    :raises WsmanFault: it is larger than the client takes.
    """
    text = (
        f'<s:Envelope xml:lang="en-US" xmlns:s="{S}" xmlns:a="{A}" xmlns:w="{W}" xmlns:n="{N}" xmlns:x="{X}">'
        f"<s:Header><a:Action>{action}</a:Action><a:MessageID>uuid:{uuid.uuid4()}</a:MessageID>"
        f"<a:To>{A}/role/anonymous</a:To><a:RelatesTo>{request.message}</a:RelatesTo></s:Header>"
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()
    if len(text) > request.limit:
        raise WsmanFault("w:EncodingLimit", "The response exceeds the maximum envelope size.", 0x80338043)
    return text


def write_fault(request: Request | None, fault: WsmanFault) -> bytes:
    """A fault, with Windows' number in its detail."""
    number = (
        f'<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="{fault.number}" '
        f'Machine="fake"><f:Message>{escape(fault.reason)}</f:Message></f:WSManFault>'
        if fault.number
        else ""
    )
    relates = "" if request is None else f"<a:RelatesTo>{request.message}</a:RelatesTo>"
    return (
        f'<s:Envelope xml:lang="en-US" xmlns:s="{S}" xmlns:a="{A}" xmlns:w="{W}" xmlns:n="{N}">'
        f"<s:Header><a:Action>{FAULT}</a:Action>{relates}</s:Header><s:Body><s:Fault><s:Code><s:Value>s:Sender"
        f"</s:Value><s:Subcode><s:Value>{fault.subcode}</s:Value></s:Subcode></s:Code><s:Reason>"
        f'<s:Text xml:lang="en-US">{escape(fault.reason)}</s:Text></s:Reason><s:Detail>{number}</s:Detail></s:Fault>'
        "</s:Body></s:Envelope>"
    ).encode()


def instance(kind: str, namespace: str, values: dict[str, Any], element: str = "") -> str:
    """An instance as an element."""
    uri = f"{WMI}/{namespace}/{kind}"
    inner = "".join(_property(name, value) for name, value in values.items())
    return (
        f'<p:{element or kind} xmlns:p="{uri}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common" xsi:type="p:{kind}_Type">{inner}'
        f"</p:{element or kind}>"
    )


def output(uri: str, method: str, values: dict[str, Any]) -> str:
    """The result of a method."""
    inner = "".join(_property(name, value) for name, value in values.items())
    return (
        f'<p:{method}_OUTPUT xmlns:p="{uri}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common">{inner}</p:{method}_OUTPUT>'
    )


def _property(name: str, value: Any) -> str:
    if value is None:
        return f'<p:{name} xsi:nil="true"/>'
    if isinstance(value, list):
        return "".join(_property(name, each) for each in value)
    if isinstance(value, Ref):
        return f"<p:{name}>{reference(value)}</p:{name}>"
    if isinstance(value, Embedded):
        inner = "".join(_property(key, each) for key, each in value.values.items())
        return f'<p:{name} xsi:type="p:{value.kind}_Type">{inner}</p:{name}>'
    if isinstance(value, bool):
        return f"<p:{name}>{str(value).lower()}</p:{name}>"
    if name.startswith("TimeOf") or name in ("CreationTime", "InstallDate", "LastBootUpTime"):
        return f"<p:{name}><cim:Datetime>{value}</cim:Datetime></p:{name}>"
    return f"<p:{name}>{escape(str(value))}</p:{name}>"


def reference(ref: Ref) -> str:
    """The inside of an endpoint reference."""
    pairs = ref.keys.items()
    selectors = "".join(f"<w:Selector Name={quoteattr(key)}>{escape(text)}</w:Selector>" for key, text in pairs)
    return (
        f"<a:Address>{A}/role/anonymous</a:Address><a:ReferenceParameters><w:ResourceURI>{WMI}/{ref.namespace}/"
        f"{ref.kind}</w:ResourceURI><w:SelectorSet>{selectors}</w:SelectorSet></a:ReferenceParameters>"
    )


def arguments(body: etree._Element | None) -> dict[str, list[Any]]:
    """The arguments of a method: texts, references, and embedded instances as their properties."""
    found: dict[str, list[Any]] = {}
    for node in [] if body is None else body:
        found.setdefault(etree.QName(node).localname, []).append(_argument(node))
    return found


def _argument(node: etree._Element) -> Any:
    uri = node.findtext(f".//{{{W}}}ResourceURI")
    if uri is not None:
        namespace, _, kind = uri.removeprefix(f"{WMI}/").rpartition("/")
        keys = {each.get("Name", ""): each.text or "" for each in node.iter(f"{{{W}}}Selector")}
        return Ref(kind, keys, namespace)
    text = node.text or ""
    if text.lstrip().startswith("<INSTANCE"):
        root = etree.fromstring(text)
        values: dict[str, Any] = {}
        for each in root:
            texts = [value.text or "" for value in each.iter("VALUE")]
            values[each.get("NAME", "")] = texts if each.tag == "PROPERTY.ARRAY" else (texts[0] if texts else None)
        return Embedded(root.get("CLASSNAME", ""), values)
    return text
