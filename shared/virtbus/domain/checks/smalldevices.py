"""What TPMs, IOMMUs and shared memory may not be."""

from __future__ import annotations

from virtbus.domain.checks.problem import Problems, malformed, of_kind, unsupported
from virtbus.domain.domain import Domain
from virtbus.domain.iommu import IommuModel
from virtbus.domain.shmem import UNEVEN_SIZE, Shmem
from virtbus.domain.tpm import TpmModel


def check_tpms(domain: Domain) -> Problems:
    """A guest has one TPM; a POWER guest may have a proxy of the host's besides."""
    proxies = sum(tpm.model is TpmModel.SPAPR_TPM_PROXY for tpm in domain.devices.tpms)
    if proxies > 1:
        yield unsupported("only a single TPM Proxy device is supported", "/domain/devices/tpm")
    if len(domain.devices.tpms) - proxies > 1:
        yield unsupported("only a single TPM non-proxy device is supported", "/domain/devices/tpm")


def check_iommu(domain: Domain) -> Problems:
    """Only Intel's IOMMU has settings."""
    iommu = domain.devices.iommu
    if iommu is None or iommu.driver is None or iommu.model is IommuModel.INTEL:
        return
    if any(value is not None for value in vars(iommu.driver).values()):
        yield malformed(
            f"iommu model '{iommu.model}' doesn't support additional attributes", "/domain/devices/iommu/driver"
        )


def check_shmems(domain: Domain) -> Problems:
    """Interrupts come from a server; memory is a power of two."""
    for path, shmem in of_kind(domain, Shmem):
        if shmem.msi is not None and shmem.server is None:
            yield malformed("msi option is only supported with a server", f"{path}/msi")
        size = shmem.size
        if size is not None and (size == 0 or size & (size - 1)):
            yield UNEVEN_SIZE.error(UNEVEN_SIZE.message, evidence={"path": f"{path}/size"})
