"""USB devices that come over a stream, and which of them the guest may have."""

from __future__ import annotations

from virtbus.domain.hostdev import RedirFilterRule
from virtbus.domain.redirdev import Redirdev
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place
from virtbus_qemu.command.parts import Context, Parts, given
from virtbus_qemu.command.stream import host_end


def describe(device: Redirdev, context: Context) -> Parts:
    """A redirected USB device.

    :raise ConfigUnsupported: QEMU has no such devices.
    """
    if not context.has("usb-redir"):
        raise _refused(context, "USB redirection is not supported by this version of QEMU")
    ends = host_end(device, context)
    return Parts(
        ends,
        {
            "driver": "usb-redir",
            "chardev": ends[-1].id,
            "id": device.alias,
            **given(filter=_filter(context)),
            **place.boot(device, context),
            **place.of(device, context),
        },
    )


def _filter(context: Context) -> str | None:
    """The rules by which QEMU lets a device in: class, vendor, product, version and whether it may."""
    rules = context.domain.devices.redir_filter
    if rules is None or not rules.rules:
        return None
    if not context.has("usb-redir.filter"):
        raise _refused(context, "USB redirection filter is not supported by this version of QEMU")
    return "|".join(_rule(rule) for rule in rules.rules)


def _rule(rule: RedirFilterRule) -> str:
    fields = (
        _hex(rule.usb_class, 2),
        _hex(rule.vendor, 4),
        _hex(rule.product, 4),
        _hex(_bcd(rule.version), 4),
        str(int(rule.allow)),
    )
    return ":".join(fields)


def _hex(number: str | None, digits: int) -> str:
    return "-1" if number in (None, "-1") else f"0x{int(str(number), 16):0{digits}X}"


def _bcd(version: str | None) -> str | None:
    """A USB version such as 1.10 as the device itself tells it: two decimal digits a byte."""
    if version is None or version == "-1":
        return None
    major, _, minor = version.partition(".")
    return f"{int(major):02d}{int(minor or 0):02d}"


def _refused(context: Context, message: str) -> ConfigUnsupported:
    return ConfigUnsupported(message, domain=context.domain.name, evidence={"path": "/domain/devices/redirdev"})
