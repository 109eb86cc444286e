"""What a hypervisor's driver notes about a running domain's images in its status file, and nowhere else."""

from __future__ import annotations

from virtbus.xml import Element, UInt, attribute, child, children, flag


class NodeName(Element, tag="nodename"):
    """The name of a block node, and which layer of the image it is."""

    type: str = attribute()
    name: str = attribute()
    group: str | None = attribute()


class NodeNames(Element, tag="nodenames"):
    """The block nodes of an image."""

    nodes: list[NodeName] = children("nodename")


class ManagerAlias(Element, tag="reservations"):
    """The object that keeps persistent reservations."""

    manager: str = attribute("mgralias")


class ObjectSecret(Element, tag="secret"):
    """An object with a secret, and what it is for."""

    type: str = attribute()
    alias: str = attribute()


class TlsObject(Element, tag="TLSx509"):
    """An object with TLS credentials."""

    alias: str = attribute()


class SourceObjects(Element, tag="objects"):
    """The hypervisor's objects that an image needs."""

    secrets: list[ObjectSecret] = children("secret")
    tls: TlsObject | None = child("TLSx509")


class FdSet(Element, tag="fdset"):
    """A set of file descriptors that an image was opened by."""

    type: str = attribute()
    id: UInt = attribute()


class FdSets(Element, tag="fdsets"):
    """The sets of file descriptors."""

    sets: list[FdSet] = children("fdset")


class ThresholdEvent(Element, tag="thresholdEvent"):
    """How the event of a write threshold names the image."""

    index_used: bool = attribute("indexUsed")


class Nbdkit(Element, tag="nbdkit"):
    """The helper that reaches an image over the network."""

    pid_file: str | None = child("pidfile")
    socket_file: str | None = child("socketfile")


class SourcePrivate(Element, tag="privateData"):
    """What is noted about one image."""

    node_names: NodeNames | None = child("nodenames")
    reservations: ManagerAlias | None = child()
    rel_path: str | None = child("relPath")
    objects: SourceObjects | None = child()
    fd_sets: FdSets | None = child("fdsets")
    threshold_event: ThresholdEvent | None = child("thresholdEvent")
    nbdkit: Nbdkit | None = child()
    checks_host_key: bool | None = child("sshHostKey", attribute="check")
    """Whether an SSH server's key is looked at, where a backing image's name says so."""


class Qom(Element, tag="qom"):
    """The path of a device among the hypervisor's objects."""

    name: str = attribute()


class SecretsPlacement(Element, tag="diskSecretsPlacement"):
    """Which secrets of a network disk stand beside its source instead of in it."""

    auth: str | None = attribute()
    enc: str | None = attribute()


class OriginalStates(Element, tag="origstates", empty=True):
    """What is undone when the host gets a PCI device back."""

    unbind: bool = flag()
    remove_slot: bool = flag("removeslot")
    reprobe: bool = flag()


class DiskPrivate(Element, tag="privateData"):
    """What is noted about one disk."""

    qom: Qom | None = child()
    node_names: NodeNames | None = child("nodenames")
