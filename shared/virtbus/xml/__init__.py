"""A small declarative layer over lxml: one line per attribute or element, and nothing unknown gets through."""

from virtbus.xml.codec import (
    Codec,
    Digit,
    Hex,
    Hex2,
    Hex4,
    Hex8,
    MacAddress,
    Number,
    Octal,
    OnOff,
    Ranges,
    UInt,
    ULong,
    hexadecimal,
    integer,
    pattern,
    switch,
)
from virtbus.xml.document import DEPTH, LIMIT, parse_document
from virtbus.xml.element import Element
from virtbus.xml.fields import attribute, child, children, flag, text, verbatim
from virtbus.xml.form import Form, Mode
from virtbus.xml.namespace import namespace

__all__ = [
    "DEPTH",
    "LIMIT",
    "Codec",
    "Digit",
    "Element",
    "Form",
    "Hex",
    "Hex2",
    "Hex4",
    "Hex8",
    "MacAddress",
    "Mode",
    "Number",
    "Octal",
    "OnOff",
    "Ranges",
    "UInt",
    "ULong",
    "attribute",
    "child",
    "children",
    "flag",
    "hexadecimal",
    "integer",
    "namespace",
    "parse_document",
    "pattern",
    "switch",
    "text",
    "verbatim",
]
