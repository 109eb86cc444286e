"""Network disks that nbdkit reaches in QEMU's place: QEMU sees an NBD server on a socket of the domain's folder."""

from __future__ import annotations

from virtbus.domain.storage import NetworkProtocol
from virtbus_qemu.command.block.image import Image
from virtbus_qemu.command.parts import Context

PLUGINS = {
    NetworkProtocol.HTTP: "plugin-curl",
    NetworkProtocol.HTTPS: "plugin-curl",
    NetworkProtocol.FTP: "plugin-curl",
    NetworkProtocol.FTPS: "plugin-curl",
    NetworkProtocol.TFTP: "plugin-curl",
    NetworkProtocol.SSH: "plugin-ssh",
}
"""What of nbdkit reaches which servers."""


def socket_of(image: Image, node: str, context: Context) -> str | None:
    """The socket of the helper that reaches an image; None where QEMU does it."""
    plugins, protocol = context.settings.nbdkit, image.source.protocol
    if plugins is None or protocol is None or PLUGINS.get(protocol) not in plugins:
        return None
    return str(context.folder / f"nbdkit-{node}.socket")
