"""What the scoring asks: which families are answered, and what the project makes of one case.

It only dispatches; every module of `families` that has FAMILIES and `run` takes part.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conformance import families
from tests.conformance.refusal import Refused
from virtbus.errors import VirtbusError, XmlError

__all__ = ["FAMILIES", "Refused", "run"]

Case = dict[str, Any]
Answer = Callable[[Case, Path], dict[str, str]]


def _collect() -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for module in pkgutil.iter_modules(families.__path__):
        part = importlib.import_module(f"{families.__name__}.{module.name}")
        for family in getattr(part, "FAMILIES", ()):
            if family in found:
                raise ValueError(f"two modules answer for {family}")
            found[family] = part.run
    return found


_ANSWERS = _collect()
FAMILIES = frozenset(_ANSWERS)
"""The families that the project answers for."""


def run(case: Case, root: Path) -> dict[str, str]:
    """The text that the project makes for each path in `case["expected"]`.

    :raise Refused: the input was refused.
    """
    try:
        return _ANSWERS[case["family"]](case, root)
    except XmlError as error:
        raise Refused(_syntax(case, root, error) if "context" in error.evidence else error.wording) from error
    except VirtbusError as error:
        raise Refused(error.wording) from error
    except FileNotFoundError as error:
        raise Refused(f"Failed to open file '{error.filename}': {error.strerror}") from error


def _syntax(case: Case, root: Path, error: XmlError) -> str:
    """A document that is not well formed, as libvirt tells of it: with the line, and an arrow below it."""
    found = error.evidence
    file = root / case["input"][0]
    arrow = "-" * len(found["context"]) + "^"
    return f"{file}:{found['line']}: {found['problem']}\n{found['context']}\n{arrow}"
