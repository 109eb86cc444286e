"""What firmware, its variables and the boot menu may not be."""

from __future__ import annotations

from virtbus.domain.boot import Firmware, LoaderType
from virtbus.domain.checks.problem import Problems, detail, unsupported
from virtbus.domain.domain import Domain

LONGEST_MENU = 65535
"""In milliseconds."""


def check_loader(domain: Domain) -> Problems:
    """Without autoselection the definition says which image is meant, and no features of one."""
    os = domain.os
    if os is None or os.firmware is not None:
        return
    if os.firmware_choice is not None and os.firmware_choice.features:
        yield detail(
            "cannot use feature-based firmware autoselection when firmware autoselection is disabled",
            "/domain/os/firmware",
        )
    if os.loader is not None and not os.loader.path:
        yield detail("no loader path specified and firmware auto selection disabled", "/domain/os/loader")


def check_nvram(domain: Domain) -> Problems:
    """Only firmware in flash keeps variables, and only where it is not stateless."""
    os = domain.os
    if os is None:
        return
    if os.firmware is not None and os.firmware is not Firmware.EFI and os.nvram is not None:
        yield detail(f"firmware type '{os.firmware}' does not support nvram", "/domain/os/nvram")
        return
    loader, template = os.loader, os.nvram.template if os.nvram is not None else None
    if loader is not None and loader.stateless:
        if template is not None:
            yield detail("NVRAM template is not permitted when loader is stateless", "/domain/os/nvram/@template")
        elif os.nvram is not None:
            yield detail("NVRAM is not permitted when loader is stateless", "/domain/os/nvram")
    elif loader is not None and loader.path and loader.type is not LoaderType.PFLASH and os.firmware is None:
        if loader.stateless is False:
            yield detail("Only pflash loader type permits NVRAM", "/domain/os/loader/@stateless")
        elif template is not None:
            yield detail("Only pflash loader type permits NVRAM template", "/domain/os/nvram/@template")


def check_boot_menu(domain: Domain) -> Problems:
    """The menu waits at most about a minute."""
    menu = domain.os.bootmenu if domain.os is not None else None
    if menu is not None and menu.timeout is not None and menu.timeout > LONGEST_MENU:
        yield unsupported(
            f"invalid value for boot menu timeout, must be in range [0,{LONGEST_MENU}]", "/domain/os/bootmenu/@timeout"
        )
