"""The variable store of a UEFI domain: a file of the domain's own, made from the firmware's template."""

from __future__ import annotations

import shutil
from pathlib import Path

from virtbus.domain.domain import Domain
from virtbus.errors import ConfigUnsupported, NoSpace
from virtbus_qemu.capabilities import Capabilities

_NO_SPACE = (28, 122)  # ENOSPC, EDQUOT


def path_of(domain: Domain) -> Path | None:
    """The file; None where the domain has none."""
    nvram = domain.os.nvram if domain.os else None
    if nvram is None:
        return None
    text = nvram.path or (nvram.source.file if nvram.source else None)
    return Path(text) if text else None


def create(domain: Domain, capabilities: Capabilities) -> None:
    """Make the file where it is missing.

    :raise ConfigUnsupported: no template is known for it.
    :raise NoSpace: there is no room.
    """
    path = path_of(domain)
    if path is None or path.exists():
        return
    template = _template(domain, capabilities)
    if template is None:
        raise ConfigUnsupported(
            f"no template is known for the UEFI variables {path}",
            domain=domain.name,
            hint="name one in <nvram template='...'/>, or use <os firmware='efi'>",
            evidence={"path": "/domain/os/nvram/@template"},
        )
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(template, part)
        part.chmod(0o600)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno in _NO_SPACE:
            raise NoSpace(f"no room left for {path}", domain=domain.name) from error
        raise ConfigUnsupported(
            f"the UEFI variables cannot be made from {template}: {error.strerror}", domain=domain.name
        ) from error


def remove(domain: Domain) -> None:
    """Remove the file."""
    path = path_of(domain)
    if path is not None:
        path.unlink(missing_ok=True)


def _template(domain: Domain, capabilities: Capabilities) -> str | None:
    os = domain.os
    if os is not None and os.nvram is not None and os.nvram.template is not None:
        return os.nvram.template
    code = os.loader.path if os is not None and os.loader is not None else None
    splits = (each for each in capabilities.firmware if each.variables is not None)
    return next((each.variables.filename for each in splits if each.variables and each.code.filename == code), None)
