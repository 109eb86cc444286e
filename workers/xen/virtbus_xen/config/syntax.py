"""The syntax of Xen's configuration files: `name = value`, where a value is a number, a text or a list of values."""

from __future__ import annotations

import re
from typing import TypeAlias

from virtbus.errors import InvalidArgument

Value: TypeAlias = "int | str | list[Value]"

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r]+|\#[^\n]*)
      | (?P<end>[\n;])
      | (?P<name>[A-Za-z_][A-Za-z0-9_.-]*)
      | (?P<number>-?[0-9]+)
      | \"\"\"(?P<long>.*?)\"\"\"
      | "(?P<double>[^"\n]*)"
      | '(?P<single>[^'\n]*)'
      | (?P<mark>[=\[\],])""",
    re.VERBOSE | re.DOTALL,
)
_TEXTS = ("long", "double", "single")


class Settings(dict[str, Value]):
    """The settings of a file, in order, with libvirt's leniency: numbers may be written as texts."""

    def text(self, name: str) -> str | None:
        """A setting that is a text.

        :raise InvalidArgument: it is something else.
        """
        value = self.get(name)
        if value is None or isinstance(value, str):
            return value
        raise InvalidArgument(f"config value {name} was malformed")

    def number(self, name: str, default: int | None = None) -> int | None:
        """A setting that is a number.

        :raise InvalidArgument: it is something else.
        """
        value = self.get(name)
        if value is None:
            return default
        if isinstance(value, int):
            return value
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value):
            return int(value)
        raise InvalidArgument(f"config value {name} was malformed")

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A setting that is on or off."""
        return bool(self.number(name, int(default)))

    def texts(self, name: str) -> list[str]:
        """A setting that is a list of texts.

        :raise InvalidArgument: it is something else.
        """
        value = self.get(name, [])
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return [str(each) for each in value]
        raise InvalidArgument(f"config value {name} was malformed")

    def several(self, name: str) -> list[str]:
        """A setting that is one text or a list of texts."""
        return [text] if isinstance(text := self.get(name), str) else self.texts(name)


class _Reader:
    """The tokens of a file, one after the other."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str, int]] = []
        at, line = 0, 1
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise _broken(line, f"unexpected {text[at]!r}")
            kind = str(found.lastgroup)
            if kind != "blank":
                self._tokens.append((kind, found[kind], line))
            line += found[0].count("\n")
            at = found.end()
        self._tokens.append(("end", "", line))
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._tokens)

    def take(self) -> tuple[str, str, int]:
        token = self._tokens[min(self._at, len(self._tokens) - 1)]
        self._at += 1
        return token

    def skip_ends(self) -> None:
        while self.more and self._tokens[self._at][0] == "end":
            self._at += 1

    def value(self) -> Value:
        kind, text, line = self.take()
        if kind == "number":
            return int(text)
        if kind in _TEXTS:
            return text
        if (kind, text) != ("mark", "["):
            raise _broken(line, "expecting a value")
        return self._list()

    def _list(self) -> list[Value]:
        values: list[Value] = []
        while True:
            self.skip_ends()
            if self._peeks("]"):
                break
            values.append(self.value())
            self.skip_ends()
            if not self._peeks(","):
                break
            self.take()
        kind, text, line = self.take()
        if (kind, text) != ("mark", "]"):
            raise _broken(line, "list is not closed with ]")
        return values

    def _peeks(self, mark: str) -> bool:
        return self.more and self._tokens[self._at][:2] == ("mark", mark)


def parse_settings(text: str) -> Settings:
    """The settings of a file.

    :raise InvalidArgument: it breaks the syntax; the message has the line.
    """
    reader, settings = _Reader(text), Settings()
    reader.skip_ends()
    while reader.more:
        kind, name, line = reader.take()
        if kind != "name":
            raise _broken(line, "expecting a name")
        if reader.take()[:2] != ("mark", "="):
            raise _broken(line, "expecting an assignment")
        settings[name] = reader.value()
        if reader.take()[0] != "end":
            raise _broken(line, "expecting a separator")
        reader.skip_ends()
    return settings


def _broken(line: int, what: str) -> InvalidArgument:
    return InvalidArgument(f"configuration file syntax error: line {line}: {what}", evidence={"line": line})


def format_settings(settings: Settings) -> str:
    """The file of these settings, a line each."""
    return "".join(f"{name} = {_format(value)}\n" for name, value in settings.items())


def _format(value: Value) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return f"[ {', '.join(_format(each) for each in value)} ]"
    if '"' not in value:
        return f'"{value}"'
    return f"'{value}'" if "'" not in value else f'"""{value}"""'
