"""An LXC configuration as a domain, as libvirt's domxml-from-native has it (formats of LXC 1 to 2 and 3 to 6)."""

from __future__ import annotations

import re
from uuid import UUID

from virtbus.domain import CharType, Console, Domain, DomainType
from virtbus.domain.boot import InitVariable, Os, OsType, OsTypeName
from virtbus.domain.chardev import ConsoleTarget, ConsoleTargetType
from virtbus.domain.features import Capability, ContainerCapabilities, Features
from virtbus.domain.power import LifecycleAction
from virtbus.domain.tuning import IdMap, IdRange
from virtbus.errors import XmlInternal
from virtbus_lxc.config.limits import read_limits
from virtbus_lxc.config.mounts import read_mounts
from virtbus_lxc.config.networks import read_networks
from virtbus_lxc.config.settings import Settings

ARCHITECTURES = {"x86": "i686", "i686": "i686", "i386": "i686", "x86_64": "x86_64", "amd64": "x86_64",
                 "aarch64": "aarch64", "arm64": "aarch64"}  # fmt: skip
"""LXC's names of architectures (personality(2)) and libvirt's."""

INIT = "/sbin/init"
UNNAMED = "unnamed"
CAPABILITIES = tuple(name for name in ContainerCapabilities.__annotations__ if name != "policy")
"""capabilities(7), by libvirt's names."""


def read_config(text: str, uuid: UUID | None = None) -> Domain:
    """The domain that a container's configuration describes. What has no words in the vocabulary is left out.

    :param uuid: LXC's containers have none.
    :raise XmlError: a line makes no sense.
    :raise ConfigUnsupported: its mounts are in a file of their own.
    """
    settings = Settings(text)
    domain = Domain(type=DomainType.LXC, name=settings.last("lxc.uts.name") or UNNAMED, uuid=uuid)
    domain.on_poweroff, domain.on_reboot = LifecycleAction.DESTROY, LifecycleAction.RESTART
    domain.on_crash = LifecycleAction.DESTROY
    domain.os = _os(settings)
    domain.features = Features(capabilities=_capabilities(settings))
    read_mounts(domain, settings)
    domain.features.privnet = not read_networks(domain, settings.below("lxc.net."))
    _consoles(domain, settings)
    domain.idmap = _idmap(settings)
    read_limits(domain, settings)
    return domain


def _os(settings: Settings) -> Os:
    made = Os(type=OsType(name=OsTypeName.EXE, arch=ARCHITECTURES.get(settings.last("lxc.arch") or "")), init=INIT)
    command = (settings.last("lxc.init.cmd") or INIT).split()
    made.init, made.init_arguments = command[0], command[1:]
    made.init_dir = settings.last("lxc.init.cwd")
    made.init_user, made.init_group = settings.last("lxc.init.uid"), settings.last("lxc.init.gid")
    for variable in settings.all("lxc.environment"):
        name, equals, value = variable.partition("=")
        if equals:
            made.init_variables.append(InitVariable(name=name, value=value))
    return made


def _capabilities(settings: Settings) -> ContainerCapabilities:
    """A container keeps all that is not dropped, or only what is kept."""
    kept = {word.lower() for value in settings.all("lxc.cap.keep") for word in value.split()}
    made = ContainerCapabilities(policy="deny" if kept else "allow")
    for word in (word.lower() for value in settings.all("lxc.cap.drop") for word in value.split()):
        if word in CAPABILITIES:
            setattr(made, word, Capability(state=False))
    for word in kept & set(CAPABILITIES):
        setattr(made, word, Capability(state=True))
    return made


def _consoles(domain: Domain, settings: Settings) -> None:
    text = settings.last("lxc.tty.max") or "0"
    if not text.isdigit():
        raise XmlInternal(f"failed to parse lxc.tty value: '{text}'")
    for port in range(int(text)):
        target = ConsoleTarget(type=ConsoleTargetType.LXC, port=port)
        domain.devices.consoles.append(Console(type=CharType.PTY, target=target))


def _idmap(settings: Settings) -> IdMap | None:
    """The ranges; the container's number comes first, then the host's.

    libvirt reads them the other way round. A range that would make the host's root somebody of the container's is
    meant so.
    """
    made = IdMap()
    for value in settings.all("lxc.idmap"):
        match = re.fullmatch(r"([ugb])\s+(\d+)\s+(\d+)\s+(\d+)", value)
        if match is None:
            raise XmlInternal(f"invalid lxc.id_map: '{value}'")
        start, target, count = (int(match.group(number)) for number in (2, 3, 4))
        if start and not target:
            start, target = target, start
        if match.group(1) in "ub":
            made.uids.append(IdRange(start=start, target=target, count=count))
        if match.group(1) in "gb":
            made.gids.append(IdRange(start=start, target=target, count=count))
    return made if made.uids or made.gids else None
