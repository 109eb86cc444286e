"""The pseudo-protocol json:{...}: images named by the properties of QEMU's drivers, nested or with dotted names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from virtbus.domain.device import HostAddress, Reconnect
from virtbus.domain.diskdefaults import PORTS
from virtbus.domain.private import SourcePrivate
from virtbus.domain.storage import (
    Cookie,
    Cookies,
    HostTransport,
    Identity,
    Initiator,
    NetworkProtocol,
    Slice,
    Slices,
    Ssl,
    StorageHost,
    StorageSource,
    StorageType,
)
from virtbus.errors import HypervisorError
from virtbus_qemu.command.block import curluri

Located = tuple[StorageType, StorageSource]


def read(text: str) -> Located:
    """The image that the JSON document names.

    :raise HypervisorError: it is no JSON, or it names its image in a way that is not known.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise _unknown(text) from error
    if not isinstance(document, dict):
        raise _unknown(text)
    return _located(_nested(document), text)


def _located(said: Mapping[str, Any], text: str) -> Located:
    """What a driver's properties name; a format's lie in `file`."""
    driver = said.get("driver")
    known = _DRIVERS.get(str(driver)) if driver is not None else None
    try:
        if known is not None:
            return known(said, text)
        if isinstance(said.get("file"), Mapping):
            return _located(said["file"], text)
    except (KeyError, TypeError, ValueError) as error:
        raise _unknown(text) from error
    raise _unknown(text)


def _unknown(text: str) -> HypervisorError:
    return HypervisorError(
        f"an image is named in a way that is not known: {text:.500}",
        hint="say its backing chain in the definition",
        evidence={"answer": text},
    )


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as objects, and objects whose names are numbers as lists."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *above, last = name.split(".")
        here = tree
        for step in above:
            here = here.setdefault(step, {})
        here[last] = _nested(value) if isinstance(value, Mapping) else value
    return {name: _listed(value) for name, value in tree.items()}


def _listed(value: Any) -> Any:
    if isinstance(value, dict) and value and all(name.isdigit() for name in value):
        return [value[name] for name in sorted(value, key=int)]
    return value


def _file(said: Mapping[str, Any], text: str) -> Located:
    return StorageType.FILE, StorageSource(file=said["filename"])


def _device(said: Mapping[str, Any], text: str) -> Located:
    return StorageType.BLOCK, StorageSource(dev=said["filename"])


def _raw(said: Mapping[str, Any], text: str) -> Located:
    kind, source = _located(said["file"], text)
    if "offset" in said or "size" in said:
        part = Slice(type="storage", offset=int(said.get("offset", 0)), size=int(said.get("size", 0)))
        source.slices = Slices(slices=[part])
    return kind, source


def _curl(said: Mapping[str, Any], text: str) -> Located:
    source = curluri.read(said["url"])
    if source is None:
        raise _unknown(text)
    verify = said.get("sslverify")
    if verify is not None:
        source.ssl = Ssl(verify=verify not in (False, "off"))
    if said.get("cookie"):
        source.cookies = Cookies(cookies=[_cookie(each) for each in str(said["cookie"]).split(";")])
    source.timeout = _number(said.get("timeout"))
    source.readahead = _number(said.get("readahead"))
    return StorageType.NETWORK, source


def _cookie(text: str) -> Cookie:
    name, _, value = text.strip().partition("=")
    return Cookie(name=name, value=value)


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _nbd(said: Mapping[str, Any], text: str) -> Located:
    source = StorageSource(protocol=NetworkProtocol.NBD, name=said.get("export"))
    if said.get("path"):
        source.hosts = [StorageHost(transport=HostTransport.UNIX, socket=said["path"])]
    elif "server" in said:
        source.hosts = [_host(said["server"], NetworkProtocol.NBD)]
    else:
        source.hosts = [_inet(said, NetworkProtocol.NBD)]
    if "reconnect-delay" in said:
        source.reconnect = Reconnect(delay=int(said["reconnect-delay"]))
    return StorageType.NETWORK, source


def _host(server: Mapping[str, Any], protocol: NetworkProtocol) -> StorageHost:
    if server.get("type") == "unix":
        return StorageHost(transport=HostTransport.UNIX, socket=server.get("path") or server["socket"])
    return _inet(server, protocol)


def _inet(server: Mapping[str, Any], protocol: NetworkProtocol) -> StorageHost:
    # A port is a text in QEMU's schema; older notes with a number never had an effect.
    said = server.get("port")
    port = int(said) if isinstance(said, str) and int(said) else PORTS.get(protocol)
    return StorageHost(name=server["host"], port=port)


def _gluster(said: Mapping[str, Any], text: str) -> Located:
    if "filename" in said or "uri" in said:
        source = curluri.read(said.get("filename") or said["uri"])
        if source is None:
            raise _unknown(text)
        return StorageType.NETWORK, source
    hosts = [_host(each, NetworkProtocol.GLUSTER) for each in said["server"]]
    name = f"{said['volume']}/{said['path'].removeprefix('/')}"
    return StorageType.NETWORK, StorageSource(protocol=NetworkProtocol.GLUSTER, name=name, hosts=hosts)


def _iscsi(said: Mapping[str, Any], text: str) -> Located:
    name, _, port = str(said["portal"]).rpartition(":") if _has_port(said["portal"]) else (said["portal"], "", "")
    host = StorageHost(name=name.strip("[]"), port=int(port) if port else PORTS[NetworkProtocol.ISCSI])
    if said.get("transport") == "iser":
        host.transport = HostTransport.RDMA
    source = StorageSource(
        protocol=NetworkProtocol.ISCSI, name=f"{said['target']}/{int(said.get('lun', 0))}", hosts=[host]
    )
    if said.get("initiator-name"):
        source.initiator = Initiator(iqn=said["initiator-name"])
    return StorageType.NETWORK, source


def _has_port(portal: str) -> bool:
    return portal.rpartition("]")[2].count(":") == 1


def _ssh(said: Mapping[str, Any], text: str) -> Located:
    protocol = NetworkProtocol.SSH
    host = _host(said["server"], protocol) if "server" in said else _inet(said, protocol)
    source = StorageSource(protocol=protocol, name=said["path"], hosts=[host])
    if said.get("user"):
        source.identity = Identity(username=said["user"])
    if said.get("host_key_check") == "no" or said.get("host-key-check") == {"mode": "none"}:
        source.private = SourcePrivate(checks_host_key=False)
    return StorageType.NETWORK, source


def _rbd(said: Mapping[str, Any], text: str) -> Located:
    source = StorageSource(
        protocol=NetworkProtocol.RBD,
        name=f"{said['pool']}/{said['image']}",
        snapshot=said.get("snapshot"),
        config=said.get("conf"),
        hosts=[_inet(each, NetworkProtocol.RBD) for each in said.get("server", ())],
    )
    return StorageType.NETWORK, source


def _nfs(said: Mapping[str, Any], text: str) -> Located:
    source = StorageSource(
        protocol=NetworkProtocol.NFS, name=said["path"], hosts=[StorageHost(name=said["server"]["host"])]
    )
    if "user" in said or "group" in said:
        source.identity = Identity(user=_identity(said.get("user")), group=_identity(said.get("group")))
    return StorageType.NETWORK, source


def _identity(number: Any) -> str | None:
    return None if number is None else f"+{number}"


def _vxhs(said: Mapping[str, Any], text: str) -> Located:
    host = _inet(said["server"], NetworkProtocol.VXHS)
    return StorageType.NETWORK, StorageSource(protocol=NetworkProtocol.VXHS, name=said["vdisk-id"], hosts=[host])


def _nvme(said: Mapping[str, Any], text: str) -> Located:
    domain, bus, rest = str(said["device"]).split(":")
    slot, _, function = rest.partition(".")
    address = HostAddress(domain=int(domain, 16), bus=int(bus, 16), slot=int(slot, 16), function=int(function, 16))
    return StorageType.NVME, StorageSource(type="pci", namespace=int(said["namespace"]), address=address)


def _vvfat(said: Mapping[str, Any], text: str) -> Located:
    return StorageType.DIR, StorageSource(dir=said["dir"])


_DRIVERS: Mapping[str, Callable[[Mapping[str, Any], str], Located]] = {
    "file": _file,
    "host_device": _device,
    "host_cdrom": _device,
    "raw": _raw,
    "http": _curl,
    "https": _curl,
    "ftp": _curl,
    "ftps": _curl,
    "tftp": _curl,
    "nbd": _nbd,
    "gluster": _gluster,
    "iscsi": _iscsi,
    "ssh": _ssh,
    "rbd": _rbd,
    "nfs": _nfs,
    "vxhs": _vxhs,
    "nvme": _nvme,
    "vvfat": _vvfat,
}
