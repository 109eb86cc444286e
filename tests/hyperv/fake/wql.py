"""WQL, as far as it is asked: SELECT * FROM class WHERE ..., and ASSOCIATORS OF {...} WHERE AssocClass = ..."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.hyperv.fake.soap import Ref, WsmanFault

_SELECT = re.compile(r"^\s*SELECT\s+(.+?)\s+FROM\s+(\w+)(?:\s+WHERE\s+(.*?))?\s*$", re.IGNORECASE | re.DOTALL)
_ASSOCIATORS = re.compile(r"^\s*ASSOCIATORS\s+OF\s+\{(.*)\}(?:\s+WHERE\s+(.*?))?\s*$", re.IGNORECASE | re.DOTALL)
_TEST = re.compile(
    r"""\s*(\w+)\s*(=|!=|<>|\bLIKE\b)\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\w+))\s*(?:\bAND\b|$)""",
    re.IGNORECASE,
)
_OPTION = re.compile(r"(\w+)\s*=\s*(\w+)")


@dataclass
class Query:
    """A query: of a class, or of what belongs to an instance."""

    kind: str = ""
    tests: list[tuple[str, str, str]] = field(default_factory=list)
    source: Ref | None = None
    association: str = ""
    result: str = ""

    def fits(self, values: dict[str, object]) -> bool:
        """Whether an instance passes the tests; names and texts are compared as WMI does, without their case."""
        folded = {name.lower(): value for name, value in values.items()}
        return all(_passes(folded.get(name.lower()), operator, text) for name, operator, text in self.tests)


def parse(text: str) -> Query:
    """:raises WsmanFault: it is no WQL that this knows."""
    match = _ASSOCIATORS.match(text)
    if match is not None:
        options = {name.lower(): value for name, value in _OPTION.findall(match[2] or "")}
        return Query(
            source=_object(match[1]), association=options.get("assocclass", ""), result=options.get("resultclass", "")
        )
    match = _SELECT.match(text)
    if match is None or match[1].strip() != "*":
        raise WsmanFault("n:CannotProcessFilter", f"The WQL query is invalid: {text}", 0x80041017)
    query, rest = Query(match[2]), match[3] or ""
    while rest.strip():
        test = _TEST.match(rest)
        if test is None:
            raise WsmanFault("n:CannotProcessFilter", f"The WQL query is invalid: {rest}", 0x80041017)
        text = next(each for each in test.groups()[2:] if each is not None)
        query.tests.append((test[1], test[2].upper(), re.sub(r"\\(.)", r"\1", text)))
        rest = rest[test.end() :]
    return query


def _object(path: str) -> Ref:
    kind, _, rest = path.partition(".")
    found = re.findall(r"""(\w+)=["']((?:[^"'\\]|\\.)*)["']""", rest)
    keys = {name: re.sub(r"\\(.)", r"\1", text) for name, text in found}
    return Ref(kind.rpartition(":")[2], keys)


def _passes(value: object, operator: str, text: str) -> bool:
    said = "" if value is None else str(value)
    if operator == "LIKE":
        pattern = "".join(".*" if each == "%" else re.escape(each) for each in text)
        return re.fullmatch(pattern, said, re.IGNORECASE) is not None
    return (said.lower() == text.lower()) == (operator == "=")
