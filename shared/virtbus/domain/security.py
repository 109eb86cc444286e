"""How a domain and its resources are confined, and what protects its memory from the host."""

from __future__ import annotations

from enum import StrEnum

from virtbus.xml import Element, Hex4, Hex8, Mode, OnOff, UInt, attribute, child, children


class SecurityLabelType(StrEnum):
    """Who chooses the label."""

    NONE = "none"
    DYNAMIC = "dynamic"
    STATIC = "static"


class SecurityLabel(Element, tag="seclabel", empty=True):
    """The label that a security driver gives the domain; those of a dynamic one are known only while it runs."""

    type: SecurityLabelType | None = attribute()
    model: str | None = attribute()
    relabel: bool | None = attribute()
    label: str | None = child()
    image_label: str | None = child("imagelabel", live=True)
    base_label: str | None = child("baselabel")

    def shown(self, mode: Mode) -> SecurityLabel:
        """A dynamic label is chosen anew at each start, so it is not part of the definition."""
        if mode.live or self.type is not SecurityLabelType.DYNAMIC or self.label is None:
            return self
        twin = self.copy()
        twin.label = None
        return twin


class DeviceSecurityLabel(Element, tag="seclabel", empty=True):
    """The label of one device's resource, where it differs from the domain's."""

    model: str | None = attribute()
    relabel: bool | None = attribute()
    label_skip: bool | None = attribute("labelskip", live=True)
    label: str | None = child()

    def write(self, tag: str, pad: str, out: list[str], mode: Mode, *, empty: bool = False) -> None:
        """One that allows relabelling and names no label says nothing in a definition."""
        if mode.live or self.label is not None or self.relabel is False:
            super().write(tag, pad, out, mode, empty=empty)


class KeyCipherName(StrEnum):
    """An s390x key that the guest may wrap."""

    AES = "aes"
    DEA = "dea"


class KeyCipher(Element, tag="cipher"):
    """Whether keys of one kind may be wrapped."""

    name: KeyCipherName = attribute()
    state: OnOff = attribute()


class KeyWrap(Element, tag="keywrap"):
    """Which keys an s390x guest may wrap."""

    ciphers: list[KeyCipher] = children()


class LaunchSecurityType(StrEnum):
    """How the guest's memory is protected."""

    SEV = "sev"
    SEV_SNP = "sev-snp"
    S390_PV = "s390-pv"


class LaunchSecurity(Element, tag="launchSecurity", by="type"):
    """Protection of the guest's memory from the host; the type says which class it is."""

    type: LaunchSecurityType = attribute()


class SevLaunch(LaunchSecurity, when="sev"):
    """AMD's encrypted memory."""

    kernel_hashes: bool | None = attribute("kernelHashes")
    cbit_position: UInt | None = child("cbitpos")
    reduced_phys_bits: UInt | None = child("reducedPhysBits")
    policy: Hex4 = child()
    dh_cert: str | None = child("dhCert")
    session: str | None = child()


class SnpLaunch(LaunchSecurity, when="sev-snp"):
    """AMD's encrypted memory with protection against being rearranged."""

    kernel_hashes: bool | None = attribute("kernelHashes")
    author_key: bool | None = attribute("authorKey")
    vcek: bool | None = attribute()
    cbit_position: UInt | None = child("cbitpos")
    reduced_phys_bits: UInt | None = child("reducedPhysBits")
    policy: Hex8 = child()
    guest_visible_workarounds: str | None = child("guestVisibleWorkarounds")
    id_block: str | None = child("idBlock")
    id_auth: str | None = child("idAuth")
    host_data: str | None = child("hostData")


class S390Launch(LaunchSecurity, when="s390-pv"):
    """IBM's protected virtualization."""
