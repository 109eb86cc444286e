"""How a single value is written: as text in XML, as a plain value in JSON.

A field names its codec by its type: `str`, `int`, `bool` (yes/no), `UUID` and every enumeration have one, and the
annotated types below (`OnOff`, `UInt`, `Hex4`, ...) choose another spelling of the same Python type.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from virtbus.errors import ConfigUnsupported, VirtbusError, XmlError, XmlValue

FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 cannot carry in any form."""


class Refusal(NamedTuple):
    """How libvirt refuses a value: the error, and its message with {attribute}, {element} and {raw} in it; {upper} is
    the raw value in capitals, where libvirt reads it so."""

    error: type[VirtbusError]
    message: str

    def of(self, *, raw: str, element: str, attribute: str | None) -> str:
        """The message for one value."""
        raw = f"{raw:.200}"
        return self.message.format(raw=raw, upper=raw.upper(), element=element, attribute=attribute)


ATTRIBUTE = Refusal(XmlError, "Invalid value for attribute '{attribute}' in element '{element}': '{raw}'.")
UNSIGNED = Refusal(XmlError, ATTRIBUTE.message + " Expected non-negative integer value")
POSITIVE = Refusal(XmlError, ATTRIBUTE.message + " Expected non-negative value")
SIGNED = Refusal(XmlError, ATTRIBUTE.message + " Expected integer value")
BITMAP = Refusal(XmlValue, "Failed to parse bitmap '{raw}'")


class Codec:
    """One way to write a value. Each function raises ValueError for what is no such value.

    No dataclass: the module `dataclasses` takes longer to load than this one.

    :param parse: XML text to value.
    :param format: value to XML text, not yet escaped.
    :param load: JSON to value.
    :param dump: value to JSON.
    :param schema: what JSON Schema says about the JSON form.
    :param refusal: how libvirt refuses what is no such value.
    """

    __slots__ = ("dump", "format", "load", "parse", "refusal", "schema")

    def __init__(
        self,
        parse: Callable[[str], Any],
        format: Callable[[Any], str],  # noqa: A002  it is what it does, and what Part calls
        load: Callable[[Any], Any],
        dump: Callable[[Any], Any],
        schema: dict[str, Any],
        refusal: Refusal = ATTRIBUTE,
    ) -> None:
        self.parse = parse
        self.format = format
        self.load = load
        self.dump = dump
        self.schema = schema
        self.refusal = refusal


def _same(value: Any) -> Any:
    return value


def _load_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a string is expected")
    if FORBIDDEN.search(value):
        raise ValueError("it has a character that XML does not allow")
    return value


TEXT = Codec(_same, _same, _load_text, _same, {"type": "string"})

_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}")
_HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]{1,16}")


def integer(
    low: int, high: int, *, any_base: bool = False, form: Callable[[int], str] = str, refusal: Refusal | None = None
) -> Codec:
    """Whole numbers from `low` to `high`; with `any_base` a text that starts with 0x is hexadecimal."""

    def bounded(value: int) -> int:
        if not low <= value <= high:
            raise ValueError(f"a number from {low} to {high} is expected")
        return value

    def parse(text: str) -> int:
        text = text.strip()
        if _DECIMAL.fullmatch(text):
            return bounded(int(text, 10))
        if any_base and _HEXADECIMAL.fullmatch(text):
            return bounded(int(text, 16))
        raise ValueError("a whole number is expected")

    def load(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("a whole number is expected")
        return bounded(value)

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Codec(parse, form, load, _same, schema, refusal or (UNSIGNED if low >= 0 else SIGNED))


def hexadecimal(digits: int, high: int, refusal: Refusal | None = None) -> Codec:
    """Numbers that libvirt writes as 0x with at least `digits` digits, and reads in either base."""
    return integer(0, high, any_base=True, form=lambda value: f"0x{value:0{digits}x}", refusal=refusal)


def switch(true: str, false: str) -> Codec:
    """A bool spelled with two words."""
    words = {true: True, false: False}

    def parse(text: str) -> bool:
        try:
            return words[text]
        except KeyError:
            raise ValueError(f"'{true}' or '{false}' is expected") from None

    def load(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError("true or false is expected")
        return value

    return Codec(parse, lambda value: true if value else false, load, _same, {"type": "boolean"})


def pattern(expression: str, means: str, refusal: Refusal = ATTRIBUTE, *, capitals: bool = False) -> Codec:
    """Text of a certain form; `means` says what is expected. With `capitals` it is kept so."""

    def parse(text: Any) -> str:
        # Compiled at first use, by `re` itself: most documents have few of these values.
        if not isinstance(text, str) or not re.fullmatch(expression, text):
            raise ValueError(f"{means} is expected")
        return text.upper() if capitals else text

    return Codec(parse, _same, parse, _same, {"type": "string", "pattern": f"^(?:{expression})$"}, refusal)


_UUID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _parse_uuid(text: Any) -> UUID:
    if not isinstance(text, str) or not _UUID.fullmatch(text.strip()):
        raise ValueError("a UUID is expected")
    return UUID(text.strip())


IDENTIFIER = Codec(_parse_uuid, str, _parse_uuid, str, {"type": "string", "format": "uuid"})

YES_NO = switch("yes", "no")
ON_OFF = switch("on", "off")
_ENUMERATIONS: dict[type[Enum], Codec] = {}


def enumeration(kind: type[Enum]) -> Codec:
    """The values of an enumeration, spelled as libvirt does."""
    known = _ENUMERATIONS.get(kind)
    if known is not None:
        return known
    members: dict[str, Enum] = {str(member.value): member for member in kind}

    def parse(text: Any) -> Enum:
        try:
            return members[text]
        except (KeyError, TypeError):
            raise ValueError(f"one of {', '.join(members)} is expected") from None

    def written(member: Any) -> str:
        return str(member.value)

    schema: dict[str, Any] = {"type": "string", "enum": list(members)}
    if words := vars(kind).get("__doc__"):
        schema["description"] = " ".join(words.split())
    codec = Codec(parse, written, parse, written, schema)
    return _ENUMERATIONS.setdefault(kind, codec)


UINT_MAX = 2**32 - 1
ULONG_MAX = 2**64 - 1

OnOff = Annotated[bool, ON_OFF]
"""A bool that libvirt spells on and off."""
Digit = Annotated[bool, switch("1", "0")]
"""A bool that libvirt spells 1 and 0."""
UInt = Annotated[int, integer(0, UINT_MAX)]
Index = Annotated[int, integer(0, 2**31 - 1, refusal=POSITIVE)]
ULong = Annotated[int, integer(0, ULONG_MAX)]
Number = Annotated[int, integer(0, ULONG_MAX, any_base=True)]
"""A number in either base, written in decimal."""
Hex = Annotated[int, hexadecimal(1, ULONG_MAX)]
Hex2 = Annotated[int, hexadecimal(2, 0xFF)]
Hex4 = Annotated[int, hexadecimal(4, UINT_MAX)]
Hex8 = Annotated[int, hexadecimal(8, UINT_MAX)]


def _parse_octal(text: Any) -> int:
    if not isinstance(text, str) or not re.fullmatch("[0-7]{1,4}", text):
        raise ValueError("an octal mode such as 0755 is expected")
    return int(text, 8)


OCTAL = Codec(
    _parse_octal,
    lambda value: f"{value:04o}",
    _parse_octal,
    lambda value: f"{value:04o}",
    {"type": "string", "pattern": "^[0-7]{1,4}$"},
)
Octal = Annotated[int, OCTAL]
"""A file's mode."""

LARGEST_BIT = 65535
"""No host has as many processors or NUMA nodes."""


def _parse_ranges(text: Any) -> str:
    """Numbers and ranges such as 0-3,^2,7, in the shortest form."""
    if not isinstance(text, str):
        raise ValueError("a string is expected")
    chosen: set[int] = set()
    for piece in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(\^?)([0-9]{1,5})(?:-([0-9]{1,5}))?", piece)
        low, high = (int(match[2]), int(match[3] or match[2])) if match else (1, 0)
        if match is None or low > high or high > LARGEST_BIT or (match[1] and match[3]):
            raise ValueError("numbers and ranges such as 0-3,^2,7 are expected")
        chosen = chosen - {low} if match[1] else chosen | set(range(low, high + 1))
    return ranges(sorted(chosen))


def numbers(text: str) -> list[int]:
    """The numbers that a value of type Ranges stands for, ascending."""
    chosen: list[int] = []
    for piece in filter(None, text.split(",")):
        low, _, high = piece.partition("-")
        chosen += range(int(low), int(high or low) + 1)
    return chosen


def ranges(ascending: list[int]) -> str:
    """Numbers in their shortest form, such as 0-2,7."""
    pieces: list[list[int]] = []
    for number in ascending:
        if pieces and number == pieces[-1][1] + 1:
            pieces[-1][1] = number
        else:
            pieces.append([number, number])
    return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in pieces)


Ranges = Annotated[str, Codec(_parse_ranges, _same, _parse_ranges, _same, {"type": "string"}, BITMAP)]
"""A set of processors or nodes, as numbers and ranges; always in the shortest form."""


def _parse_some(text: Any) -> str:
    value = _parse_ranges(text)
    if not value:
        raise ValueError("at least one number is expected")
    return value


SomeRanges = Annotated[
    str,
    Codec(
        _parse_some,
        _same,
        _parse_some,
        _same,
        {"type": "string"},
        Refusal(ConfigUnsupported, "Invalid value of '{attribute}': {raw}"),
    ),
]
"""As Ranges, with at least one number in it."""

MacAddress = Annotated[str, pattern("[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}", "a MAC address")]

_BY_TYPE: dict[Any, Codec] = {str: TEXT, int: integer(-(2**63), 2**64 - 1), bool: YES_NO, UUID: IDENTIFIER}


def codec_of(kind: Any) -> Codec | None:
    """The codec of a Python type, None where it has none (an element's class)."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return enumeration(kind)
    return _BY_TYPE.get(kind)


_SCALE: dict[str, int] = {"": 1, "b": 1, "byte": 1, "bytes": 1}
for _power, _letter in enumerate("kmgtpe", start=1):
    _SCALE |= {_letter: 1024**_power, f"{_letter}ib": 1024**_power, f"{_letter}b": 1000**_power}


def scale(unit: str) -> int:
    """How many bytes a unit has (KiB or K: 1024, KB: 1000, up to E).

    :raise ValueError: libvirt has no such unit.
    """
    try:
        return _SCALE[unit.lower()]
    except KeyError:
        raise ValueError(f"'{unit}' is no unit; one of bytes, KiB, MiB, GiB, TiB, PiB, EiB is expected") from None


def _parse_unit(text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError("a string is expected")
    scale(text)
    return text


SizeUnit = Annotated[
    str,
    Codec(_parse_unit, _same, _parse_unit, _same, {"type": "string"}, Refusal(XmlValue, "unknown suffix '{raw}'")),
]
"""A size's unit that is kept as it was written."""


def scaled(text: str, unit: str, target: str) -> int:
    """A size with its unit, in units of `target`, rounded up as libvirt does.

    :raise ValueError: it is no whole number, or has an unknown unit, or exceeds 2^64 bytes.
    """
    text = text.strip()
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise ValueError("a whole number is expected")
    size = int(text) * scale(unit)
    if size > ULONG_MAX:
        raise ValueError("the size exceeds 2^64 bytes")
    return -(-size // scale(target))
