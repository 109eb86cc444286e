"""Images that are named by a URI: on web and FTP servers, NBD, iSCSI and gluster."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from virtbus.domain.diskdefaults import PORTS
from virtbus.domain.storage import HostTransport, NetworkProtocol, StorageHost, StorageSource

_WITHOUT_SLASH = frozenset({NetworkProtocol.NFS, NetworkProtocol.SSH})
"""Protocols in which a path is absolute."""


def read(text: str) -> StorageSource | None:
    """The source that a URI names; None where the text is no URI of a known protocol."""
    scheme, separator, _ = text.partition("://")
    kind, _, carrier = scheme.partition("+")
    if not separator or kind not in {each.value for each in NetworkProtocol}:
        return None
    protocol, parts = NetworkProtocol(kind), urlsplit(text)
    source = StorageSource(protocol=protocol)
    path = unquote(parts.path)
    source.name = (path if protocol in _WITHOUT_SLASH else path.removeprefix("/")) or None
    if carrier == "unix":
        socket = parse_qs(parts.query).get("socket", [""])[0]
        source.hosts = [StorageHost(transport=HostTransport.UNIX, socket=socket)]
        return source
    source.query = parts.query or None
    transport = HostTransport.RDMA if carrier == "rdma" else None
    source.hosts = [StorageHost(name=parts.hostname, port=parts.port or PORTS.get(protocol), transport=transport)]
    return source
