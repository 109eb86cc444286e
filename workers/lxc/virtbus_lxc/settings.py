"""The LXC driver's own settings, from the worker's options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from virtbus.driver import HostSettings
from virtbus.errors import InvalidArgument


@dataclass(frozen=True)
class LxcSettings:
    """Where containers are."""

    own: Path
    """The folder in which LXC has the containers that Virtbus makes."""
    found: tuple[Path, ...]
    """Folders of containers that others made (lxc-create), which are taken over."""


def lxc_settings(settings: HostSettings) -> LxcSettings:
    """The settings of a host.

    :raise InvalidArgument: an option is unknown, or a folder is no absolute path.
    """
    options = dict(settings.options)
    found = options.pop("lxcpath", "/var/lib/lxc")
    if options:
        raise InvalidArgument(f"the LXC driver has no option {', '.join(sorted(options))}", host=settings.name)
    folders = tuple(Path(word) for word in found.split(":") if word)
    for folder in folders:
        if not folder.is_absolute():
            raise InvalidArgument(
                f"lxcpath must be an absolute path, not '{folder}'", host=settings.name,
                hint="LXC itself loses snapshots in relative folders",
            )  # fmt: skip
    return LxcSettings(own=settings.state.resolve() / "lxc", found=folders)
