"""What protects the guest's memory from the host: AMD's SEV and SEV-SNP, IBM's protected virtualization."""

from __future__ import annotations

from typing import Any

from virtbus.domain.security import S390Launch, SevLaunch, SnpLaunch
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command.parts import Backend, BackendKind, Context, given

ID = "lsec0"
"""The name of the object."""

#: Of SEV, what the guest's owner gives: files in the domain's folder.
DH_CERT, SESSION = "dh_cert.base64", "session.base64"


def options(context: Context) -> list[str]:
    """The object that the machine is told of as confidential-guest-support."""
    launch = context.domain.launch_security
    match launch:
        case SevLaunch():
            properties = {"qom-type": "sev-guest", "id": ID, **_sev(context, launch)}
        case SnpLaunch():
            properties = {"qom-type": "sev-snp-guest", "id": ID, **_snp(context, launch)}
        case S390Launch():
            properties = {"qom-type": "s390-pv-guest", "id": ID}
        case _:
            return []
    return Backend(BackendKind.OBJECT, properties).options()


def _sev(context: Context, launch: SevLaunch) -> dict[str, Any]:
    folder = context.folder
    return {
        **_bits(context, launch),
        "policy": launch.policy,
        **given(
            {
                "dh-cert-file": str(folder / DH_CERT) if launch.dh_cert else None,
                "session-file": str(folder / SESSION) if launch.session else None,
                "kernel-hashes": launch.kernel_hashes,
            }
        ),
    }


def _snp(context: Context, launch: SnpLaunch) -> dict[str, Any]:
    return {
        **_bits(context, launch),
        **given({"kernel-hashes": launch.kernel_hashes}),
        "policy": launch.policy,
        **given(
            {
                "guest-visible-workarounds": launch.guest_visible_workarounds,
                "id-block": launch.id_block,
                "id-auth": launch.id_auth,
                "host-data": launch.host_data,
                "author-key-enabled": launch.author_key,
                "vcek-disabled": None if launch.vcek is None else not launch.vcek,
            }
        ),
    }


def _bits(context: Context, launch: SevLaunch | SnpLaunch) -> dict[str, int]:
    """Where in an address the mark of encrypted memory is; of the host where the domain does not say.

    :raise ConfigUnsupported: neither says.
    """
    host = context.capabilities.digest.sev
    position, reduced = launch.cbit_position, launch.reduced_phys_bits
    if host is not None:
        position = host.cbitpos if position is None else position
        reduced = host.reduced_phys_bits if reduced is None else reduced
    if position is None or reduced is None:
        raise ConfigUnsupported(
            "Unable to retrieve AMD SEV platform information",
            domain=context.domain.name,
            evidence={"path": "/domain/launchSecurity"},
        )
    return {"cbitpos": position, "reduced-phys-bits": reduced}
