"""The host's capabilities on hosts that are out of the ordinary."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtbus.capabilities import Capabilities
from virtbus.errors import ConfigUnsupported
from virtbus_qemu import hostcapabilities
from virtbus_qemu.capabilities import probe


async def test_a_processor_that_no_model_fits_has_no_name(emulator: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capabilities = await probe(emulator)

    def unknown(*_: object, host: bool) -> None:
        raise ConfigUnsupported("Cannot find suitable CPU model for given data")

    monkeypatch.setattr(hostcapabilities, "decode", unknown)
    document = Capabilities.parse(hostcapabilities.host_capabilities(capabilities, "0" * 31 + "1"))
    assert document.host.cpu is not None
    assert document.host.cpu.model is None
    assert document.host.cpu.arch == "x86_64"
