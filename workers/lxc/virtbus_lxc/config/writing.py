"""A domain as an LXC configuration of today's format: what a container is started from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from virtbus.domain import CharType, Domain
from virtbus.domain.features import ContainerCapabilities
from virtbus.domain.lxc import Share, ShareType
from virtbus.domain.security import SecurityLabelType
from virtbus.errors import ConfigUnsupported
from virtbus_lxc.cgroups import Layout
from virtbus_lxc.config.devicenodes import device_lines
from virtbus_lxc.config.limitlines import limit_lines
from virtbus_lxc.config.mountlines import mount_lines
from virtbus_lxc.config.networklines import network_lines
from virtbus_lxc.config.reading import CAPABILITIES, INIT

Line = tuple[str, object]

PSEUDO_TERMINALS = 1024
NETNS_FOLDER = "/run/netns"
"""Where ip-netns(8) keeps network namespaces by name."""

DROPPED_BY_DEFAULT = ("sys_module", "sys_time", "mknod", "audit_control", "mac_admin")
"""What a container loses where its policy is libvirt's default, unless it says that it keeps it."""


@dataclass(frozen=True)
class Place:
    """What of the host a configuration depends on."""

    cgroups: Layout
    processors: int
    """How many the host has."""


def write_config(domain: Domain, place: Place) -> str:
    """The configuration; devices are as a start has prepared them (names of host interfaces, loop devices).

    :raise ConfigUnsupported: LXC has no such thing.
    """
    parts = (
        _identity(domain),
        _init(domain),
        mount_lines(domain),
        network_lines(domain),
        device_lines(domain, place.cgroups),
        _idmap(domain),
        _capabilities(domain),
        _namespaces(domain),
        limit_lines(domain, place.cgroups, place.processors),
        _terminals(domain),
    )
    return "".join(f"{key} = {_value(value)}\n" for part in parts for key, value in part)


def _value(value: object) -> str:
    text = str(value)
    if "\n" in text or "\0" in text:
        raise ConfigUnsupported(f"LXC's configuration has no words of more than one line: {text!r}")
    return text


def _identity(domain: Domain) -> Iterator[Line]:
    shares = domain.lxc_namespace.share_uts if domain.lxc_namespace is not None else None
    if shares is None:
        yield "lxc.uts.name", domain.name
    if domain.os is not None and domain.os.type.arch is not None:
        yield "lxc.arch", domain.os.type.arch
    if any(label.type is SecurityLabelType.NONE for label in domain.seclabels):
        yield "lxc.apparmor.profile", "unconfined"


def init_words(domain: Domain) -> list[str]:
    """The first process's program and arguments."""
    return [INIT] if domain.os is None else [domain.os.init or INIT, *domain.os.init_arguments]


def _init(domain: Domain) -> Iterator[Line]:
    os, words = domain.os, init_words(domain)
    # LXC splits it at blanks and knows no quotes: a start hands the words over themselves.
    yield "lxc.init.cmd", " ".join(words)
    if os is None:
        return
    if os.init_dir is not None:
        yield "lxc.init.cwd", os.init_dir
    for key, number in (("lxc.init.uid", os.init_user), ("lxc.init.gid", os.init_group)):
        if number is not None:
            yield key, number
    yield "lxc.environment", f"container_uuid={domain.uuid}"
    for variable in os.init_variables:
        yield "lxc.environment", f"{variable.name}={variable.value}"


def _idmap(domain: Domain) -> Iterator[Line]:
    if domain.idmap is None:
        return
    for letter, ranges in (("u", domain.idmap.uids), ("g", domain.idmap.gids)):
        for each in ranges:
            yield "lxc.idmap", f"{letter} {each.start} {each.target} {each.count}"


def _capabilities(domain: Domain) -> Iterator[Line]:
    """libvirt's policies: `default` drops a few, `allow` what is off, `deny` all but what is on."""
    chosen = domain.features.capabilities if domain.features is not None else None
    chosen = chosen or ContainerCapabilities()
    states = {name: capability.state for name in CAPABILITIES if (capability := getattr(chosen, name)) is not None}
    if chosen.policy == "deny":
        yield "lxc.cap.keep", " ".join(name for name in CAPABILITIES if states.get(name)) or "none"
        return
    dropped = {name for name, state in states.items() if state is False}
    if chosen.policy != "allow":
        dropped |= {name for name in DROPPED_BY_DEFAULT if not states.get(name)}
    if dropped:
        yield "lxc.cap.drop", " ".join(sorted(dropped))


def _namespaces(domain: Domain) -> Iterator[Line]:
    if domain.lxc_namespace is None:
        return
    shares = (("net", domain.lxc_namespace.share_net), ("ipc", domain.lxc_namespace.share_ipc),
              ("uts", domain.lxc_namespace.share_uts))  # fmt: skip
    for name, share in shares:
        if share is not None:
            yield f"lxc.namespace.share.{name}", _owner(share)


def _owner(share: Share) -> str:
    return f"{NETNS_FOLDER}/{share.value}" if share.type is ShareType.NETNS else share.value


def _terminals(domain: Domain) -> Iterator[Line]:
    """The first console is the container's /dev/console, the others its terminals."""
    consoles = domain.devices.consoles
    yield "lxc.tty.max", max(len(consoles) - 1, 0)
    yield "lxc.pty.max", PSEUDO_TERMINALS
    if consoles and consoles[0].type is CharType.FILE and consoles[0].source is not None:
        yield "lxc.console.logfile", consoles[0].source.path
