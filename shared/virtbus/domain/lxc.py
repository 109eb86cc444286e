"""libvirt's LXC namespace: whose network, IPC and host name a container shares."""

from __future__ import annotations

from enum import StrEnum

from virtbus.xml import Element, attribute, child, namespace

namespace("lxc", "http://libvirt.org/schemas/domain/lxc/1.0")


class ShareType(StrEnum):
    """How the one whose namespace is shared is named."""

    NAME = "name"
    PID = "pid"
    NETNS = "netns"


class Share(Element):
    """Whose namespace is shared: a container's name, a process's number, or a network namespace's name."""

    type: ShareType = attribute()
    value: str = attribute()


class LxcNamespace(Element, tag="lxc:namespace"):
    """The kernel's namespaces that a container does not have for itself."""

    share_net: Share | None = child("lxc:sharenet")
    share_ipc: Share | None = child("lxc:shareipc")
    share_uts: Share | None = child("lxc:shareuts")
