"""Sizes as LXC's configuration and tmpfs(5) have them: bytes, or with a suffix k, m, g, or percent of the memory."""

from __future__ import annotations

import os
import re

from virtbus.errors import XmlInternal

_SHIFT = {"": 0, "k": 10, "m": 20, "g": 30}


def parse_size(text: str) -> int:
    """The bytes that a size means.

    :raise XmlInternal: it is no size.
    """
    match = re.fullmatch(r"\s*(\d+)\s*([kmgKMG%]?)\s*", text)
    if match is None:
        raise XmlInternal(f"failed to convert size: '{text}'")
    number, unit = int(match.group(1)), match.group(2).lower()
    if unit == "%":
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * number // 100
    return number << _SHIFT[unit]
