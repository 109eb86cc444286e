"""The entries of a .vmx file: names, which are alike in upper and lower case, and strings."""

from __future__ import annotations

import re
from uuid import UUID

from virtbus.errors import XmlInternal

_LINE = re.compile(r'\s*([A-Za-z0-9_.:*\-]+)\s*=\s*(?:"([^"]*)"|(-?[0-9]+)|([^"#\s]+))\s*(?:#.*)?')
_ESCAPED = {mark: re.compile(re.escape(mark.encode()) + b"([0-9a-fA-F]{2})?") for mark in ("|", "%")}


class Entries:
    """What a .vmx file says; every reader raises XmlInternal in libvirt's words where it says nonsense."""

    def __init__(self, values: dict[str, str]) -> None:
        """:param values: by lower-case name."""
        self._values = values

    @classmethod
    def parse(cls, text: str) -> Entries:
        """The entries of a file; of two of one name the first counts.

        :raises XmlInternal: a line is neither an entry nor a comment.
        """
        values: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                raise XmlInternal(
                    f"configuration file syntax error: memory conf:{number}: expecting an assignment",
                    evidence={"line": number},
                )
            values.setdefault(match[1].lower(), match[2] or match[3] or match[4] or "")
        return cls(values)

    def optional(self, name: str) -> str | None:
        """A string; None where there is no such entry."""
        return self._values.get(name.lower())

    def string(self, name: str) -> str:
        """A string that must be there."""
        value = self.optional(name)
        if value is None:
            raise XmlInternal(f"Missing essential config entry '{name}'")
        return value

    def number(self, name: str, default: int | None = None) -> int:
        """A number, -1 for `unlimited`; it must be there if there is no default."""
        value = self.optional(name)
        if value is None:
            if default is None:
                raise XmlInternal(f"Missing essential config entry '{name}'")
            return default
        if value.lower() == "unlimited":
            return -1
        try:
            return int(value)
        except ValueError:
            raise XmlInternal(f"Config entry '{name}' must represent an integer value") from None

    def boolean(self, name: str, default: bool) -> bool:
        """A truth value."""
        value = self.optional(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise XmlInternal(f"Config entry '{name}' must represent a boolean value (true|false)")
        return value.lower() == "true"

    def uuid(self, name: str) -> UUID | None:
        """A UUID, with blanks and dashes wherever they are."""
        value = self.optional(name)
        if value is None:
            return None
        digits = re.sub(r"[\s-]", "", value)
        if re.fullmatch("[0-9a-fA-F]{32}", digits) is None:
            raise XmlInternal(f"Could not parse UUID from string '{value}'")
        return UUID(digits)


def unescape(text: str, mark: str, refusal: str) -> str:
    """The text with `|7C` and the like (or `%7C`) as the bytes that they stand for.

    :param refusal: what is said where the mark stands before something else.
    :raises XmlInternal: it does.
    """
    if mark not in text:
        return text

    def byte(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise XmlInternal(refusal)
        return bytes([int(match[1], 16)])

    return _ESCAPED[mark].sub(byte, text.encode()).decode(errors="replace")


def escape(text: str) -> str:
    """The text with what an entry cannot hold (quotes, bars, line breaks) as `|22` and the like."""
    return re.sub(r'[|"\x00-\x1f]', lambda match: f"|{ord(match[0]):02x}", text)


def uuid_bytes(uuid: UUID) -> str:
    """A UUID as a .vmx has it: two groups of eight bytes."""
    digits = [f"{byte:02x}" for byte in uuid.bytes]
    return f"{' '.join(digits[:8])}-{' '.join(digits[8:])}"
