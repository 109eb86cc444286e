"""Xen's configuration files both ways, and libxl's JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from virtbus.domain import Domain, complete
from virtbus.xml import Form
from virtbus_xen import implied, libxl
from virtbus_xen.config import Dialect, read, write

_DIALECTS = {"xlconfig": Dialect.XL, "xmconfig": Dialect.XM}
FAMILIES = frozenset({*_DIALECTS, "libxlxml2json"})

SHADOW_KIB = 1234
"""What libxl says a guest's page tables take, in the cases' world."""

PLACES = {"@LIBXL_FIRMWARE_DIR@": "/usr/lib/xen/boot", "@LIBXL_EXECBIN_DIR@": "/usr/lib/xen/bin"}


def run(case: dict[str, Any], root: Path) -> dict[str, str]:
    """The file, the domain or the JSON of a case."""
    text = (root / case["input"][0]).read_text()
    for place, path in PLACES.items():
        text = text.replace(place, path)
    if case["family"] == "libxlxml2json":
        domain = _furnished(text)
        return dict.fromkeys(case["expected"], libxl.text_of(domain, shadow_kib=SHADOW_KIB))
    dialect = _DIALECTS[case["family"]]
    if case["kind"] == "cfg->xml":
        return dict.fromkeys(case["expected"], read(text, dialect).format(Form.INACTIVE, secure=True))
    return dict.fromkeys(case["expected"], write(_furnished(text), dialect))


def _furnished(text: str) -> Domain:
    domain = Domain.parse(text)
    implied.furnish(domain)
    complete(domain)
    return domain
