"""How one image's header names another: a path, a URI, or the pseudo-protocol json:{...}; written and read.

string(image)                   # nbd://example.org:10809/disk
read("json:{...}")              # its type and source
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from virtbus.domain.storage import HostTransport, NetworkProtocol, StorageSource, StorageType
from virtbus_qemu.command.block import curluri, pseudoprotocol
from virtbus_qemu.command.block.image import Image
from virtbus_qemu.command.block.protocols import Access, bracketed, properties
from virtbus_qemu.command.parts import compact

JSON = "json:"

#: Protocols whose images have a URI, and those that can be reached so by unix sockets or RDMA too.
_URIS = frozenset(
    {
        *(NetworkProtocol.NBD, NetworkProtocol.GLUSTER, NetworkProtocol.ISCSI),
        *(NetworkProtocol.HTTP, NetworkProtocol.HTTPS, NetworkProtocol.FTP, NetworkProtocol.FTPS, NetworkProtocol.TFTP),
    }
)

#: What a URI's path may have besides letters and digits.
_SAFE = "/;@&=+$,-_.!~*'()"


def target(image: Image) -> dict[str, Any]:
    """What names an image, without what one opening of it needs."""
    return properties(image, Access(full=False, plain_cookies=True))


def string(image: Image, *, pretty: bool = False) -> str:
    """An image as another one's header names it."""
    source = image.source
    part = source.slices.slices[0] if source.slices and source.slices.slices else None
    if part is None:
        if image.type is StorageType.DIR:
            return f"fat:{source.dir}"
        if image.type in (StorageType.FILE, StorageType.BLOCK):
            return source.file or source.dev or ""
        if image.type is StorageType.NETWORK and source.protocol in _URIS and _is_plain(source):
            return _uri(source)
    inner = target(image)
    if part is not None:
        inner = {"driver": "raw", "offset": part.offset, "size": part.size, "file": inner}
    if pretty:
        return f'{JSON}{{"file":{json.dumps(inner, indent=2)}\n}}'
    return JSON + compact({"file": inner})


def _is_plain(source: StorageSource) -> bool:
    """Whether a URI says all of it."""
    return len(source.hosts) == 1 and not any(
        (source.ssl, source.cookies, source.timeout, source.readahead, source.initiator)
    )


def _uri(source: StorageSource) -> str:
    host = source.hosts[0]
    path = quote(f"/{(source.name or '').lstrip('/')}", safe=_SAFE) if source.name else ""
    if host.transport is HostTransport.UNIX:
        return f"{source.protocol}+unix://{path or '/'}?socket={quote(host.socket or '', safe=_SAFE)}"
    scheme = f"{source.protocol}+rdma" if host.transport is HostTransport.RDMA else str(source.protocol)
    port = f":{host.port}" if host.port else ""
    query = f"?{source.query}" if source.query else ""
    return f"{scheme}://{bracketed(host.name or '')}{port}{path}{query}"


def read(text: str) -> tuple[StorageType, StorageSource]:
    """The image that a header names.

    :raise HypervisorError: it is named in a way that is not known.
    """
    if text.startswith(JSON):
        return pseudoprotocol.read(text.removeprefix(JSON))
    if text.startswith("fat:"):
        return StorageType.DIR, StorageSource(dir=text.removeprefix("fat:"))
    found = curluri.read(text)
    return (StorageType.FILE, StorageSource(file=text)) if found is None else (StorageType.NETWORK, found)
