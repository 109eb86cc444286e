"""Sizes whose unit is kept as it was written."""

from __future__ import annotations

import pytest

from virtbus.domain.tuning import Cache
from virtbus.errors import XmlError, XmlValue

CACHE = "<cache id='0' level='3' type='both' size='3' unit='{}'/>\n"


@pytest.mark.parametrize("unit", ["B", "bytes", "KiB", "k", "MB", "EiB"])
def test_a_unit_is_written_as_it_was_read(unit: str) -> None:
    assert Cache.parse(CACHE.format(unit)).format() == CACHE.format(unit)


@pytest.mark.parametrize("unit", ["stone", "KKiB", "0"])
def test_what_is_no_unit_is_refused_in_libvirts_words(unit: str) -> None:
    with pytest.raises(XmlValue, match=f"unknown suffix '{unit}'") as refused:
        Cache.parse(CACHE.format(unit))
    assert refused.value.evidence["path"] == "/cache/@unit"
    with pytest.raises(XmlError):
        Cache.from_json({"id": 0, "level": 3, "type": "both", "size": 3, "size_unit": unit})
