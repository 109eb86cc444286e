"""LXC's configuration files (lxc.container.conf(5)): `reading` makes a domain of one, `writing` one of a domain."""

from virtbus_lxc.config.reading import read_config
from virtbus_lxc.config.writing import write_config

__all__ = ["read_config", "write_config"]
