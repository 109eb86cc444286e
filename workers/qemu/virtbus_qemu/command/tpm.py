"""Trusted platform modules: the host's, or an emulator's behind a socket."""

from __future__ import annotations

from virtbus.domain.tpm import Tpm, TpmBackendType, TpmModel
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command import place, stream
from virtbus_qemu.command.descriptor import pass_file
from virtbus_qemu.command.keyvalue import escape
from virtbus_qemu.command.parts import Backend, Context, Parts

_DEVICE = "/dev/tpm0"

_CHARDEV = "chrtpm"

_FLAGS = {
    TpmModel.TPM_TIS: "tpm-tis",
    TpmModel.TPM_CRB: "tpm-crb",
    TpmModel.TPM_SPAPR: "tpm-spapr",
    TpmModel.SPAPR_TPM_PROXY: "spapr-tpm-proxy",
}


def describe(device: Tpm, context: Context) -> Parts:
    """A TPM.

    :raise ConfigUnsupported: QEMU has no such model.
    """
    model = device.model or TpmModel.TPM_TIS
    if not context.has(_FLAGS[model]):
        raise _refused(context, f"TPM model {model}")
    if model is TpmModel.SPAPR_TPM_PROXY:
        path = device.backend.device or _DEVICE
        _ = device.backend.type
        return Parts(device={"driver": model.value, "id": device.alias, "host-path": path})
    backends, words = _backend(device, context)
    # The boards of ARM have it as a device of theirs, not on a bus of PCs.
    driver = "tpm-tis-device" if model is TpmModel.TPM_TIS and context.platform.is_arm else model.value
    properties = {"driver": driver, "tpmdev": _id(device), "id": device.alias, **place.of(device, context)}
    return Parts(backends, properties, before=words)


def _id(device: Tpm) -> str:
    return f"tpm-{device.alias}"


def _backend(device: Tpm, context: Context) -> tuple[tuple[Backend, ...], tuple[str, ...]]:
    if device.backend.type is TpmBackendType.PASSTHROUGH:
        return (), _passed_through(device, context)
    if not context.has("tpm-emulator"):
        raise _refused(context, f"TPM backend type {device.backend.type}")
    words = ("-tpmdev", f"emulator,id={_id(device)},chardev={_CHARDEV}")
    return (stream.client(_CHARDEV, _socket(device, context), context),), words


def _socket(device: Tpm, context: Context) -> str:
    """The socket of the program that emulates the TPM: somebody else's, or the one that the worker starts."""
    source = device.backend.source
    if device.backend.type is TpmBackendType.EXTERNAL:
        if source is not None:
            _ = source.type, source.mode
        return (source.path if source is not None else None) or ""
    return str(context.settings.tpm_socket or context.folder / "swtpm.sock")


def _passed_through(device: Tpm, context: Context) -> tuple[str, ...]:
    path = device.backend.device or _DEVICE
    cancel = f"/sys/class/tpm/{path.rpartition('/')[2]}/device/cancel"
    first = context.settings.descriptors.tpm
    opened: tuple[str, ...] = ()
    if first is not None:
        tpm, path = pass_file(context, first, f"{device.alias}-tpm")
        stop, cancel = pass_file(context, first + 1, f"{device.alias}-cancel")
        opened = (*tpm, *stop)
    return (
        *opened,
        *("-tpmdev", f"passthrough,id={_id(device)},path={escape(path)},cancel-path={escape(cancel)}"),
    )


def _refused(context: Context, what: str) -> ConfigUnsupported:
    message = f"The QEMU executable {context.capabilities.emulator} does not support {what}"
    return ConfigUnsupported(message, domain=context.domain.name, evidence={"path": "/domain/devices/tpm"})
