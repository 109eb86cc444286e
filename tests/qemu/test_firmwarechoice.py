"""Which firmware a domain gets from the host's descriptors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.qemu import invented
from virtbus.domain import Domain
from virtbus.errors import NoFirmware, XmlDetail
from virtbus_qemu import firmwarechoice, machinedefaults
from virtbus_qemu.capabilities import Capabilities
from virtbus_qemu.probing.descriptors import Descriptor, Image, Target
from virtbus_qemu.settings import QemuSettings

SETTINGS = QemuSettings()
Q35 = (Target("x86_64", ("pc-q35-*",)),)


def flash(name: str, *features: str, layout: str = "raw", mode: str = "split") -> Descriptor:
    variables = Image(f"/fw/{name}_VARS", layout) if mode == "split" else None
    return Descriptor(("uefi",), "flash", Image(f"/fw/{name}", layout), mode, variables, Q35, features)


DESCRIPTORS = (
    Descriptor(("bios",), "memory", Image("/fw/bios"), targets=Q35, features=("acpi-s3",)),
    flash("keys.qcow2", "enrolled-keys", "requires-smm", "secure-boot", layout="qcow2"),
    flash("keys", "enrolled-keys", "requires-smm", "secure-boot"),
    flash("secure", "requires-smm", "secure-boot"),
    flash("plain", "amd-sev"),
    flash("snp", "amd-sev-snp", mode="stateless"),
)


def chosen(os: str, more: str = "", *, renew: bool = True) -> Domain:
    text = os.replace("<os>", "<os><type arch='x86_64' machine='q35'>hvm</type>", 1)
    text = text.replace("<os firmware='efi'>", "<os firmware='efi'><type machine='q35'>hvm</type>")
    text = text.replace("<os firmware='bios'>", "<os firmware='bios'><type machine='q35'>hvm</type>")
    domain = Domain.parse(f"<domain type='qemu'><name>d</name><memory>1024</memory>{text}{more}</domain>")
    capabilities = with_firmware()
    machinedefaults.fill(domain, capabilities, SETTINGS)
    firmwarechoice.choose(domain, capabilities, SETTINGS, renew=renew)
    return domain


def with_firmware() -> Capabilities:
    return replace(invented.capabilities(), firmware=DESCRIPTORS)


def path_of(domain: Domain) -> str | None:
    return domain.os.loader.path if domain.os and domain.os.loader else None


FEATURE = "<firmware><feature enabled='{}' name='{}'/></firmware>"


@pytest.mark.parametrize(
    ("os", "more", "path"),
    [
        ("<os firmware='bios'></os>", "", "/fw/bios"),
        ("<os firmware='efi'></os>", "", "/fw/keys.qcow2"),
        ("<os firmware='efi'><loader format='raw'/></os>", "", "/fw/keys"),
        (f"<os firmware='efi'>{FEATURE.format('no', 'enrolled-keys')}</os>", "", "/fw/secure"),
        (f"<os firmware='efi'>{FEATURE.format('no', 'secure-boot')}</os>", "", "/fw/plain"),
        ("<os firmware='efi'></os>", "<features><smm state='off'/></features>", "/fw/plain"),
        ("<os firmware='efi'><loader secure='no'/></os>", "", "/fw/plain"),
        ("<os firmware='efi'><loader stateless='yes'/></os>", "", "/fw/snp"),
        ("<os firmware='efi'><nvram template='/fw/secure_VARS'/></os>", "", "/fw/secure"),
        (
            "<os firmware='efi'></os>",
            "<launchSecurity type='sev'><policy>0x0001</policy></launchSecurity>",
            "/fw/plain",
        ),
    ],
)
def test_the_first_that_fits_is_taken(os: str, more: str, path: str) -> None:
    assert path_of(chosen(os, more)) == path


def test_a_stored_domain_keeps_to_raw_images() -> None:
    assert path_of(chosen("<os firmware='efi'></os>", renew=False)) == "/fw/keys"
    assert path_of(chosen("<os firmware='efi'><nvram format='qcow2'/></os>", renew=False)) == "/fw/keys.qcow2"


def test_what_the_firmware_can_do_is_noted() -> None:
    domain = chosen("<os firmware='efi'></os>")
    assert domain.os is not None
    assert domain.os.firmware_choice is not None
    features = {each.name.value: each.enabled for each in domain.os.firmware_choice.features}
    assert list(features.items()) == [("enrolled-keys", True), ("secure-boot", True)]
    assert domain.os.loader is not None
    assert domain.os.loader.secure is True
    assert domain.features is not None
    assert domain.features.smm is not None
    assert domain.features.smm.state is True
    assert domain.os.nvram is not None
    assert domain.os.nvram.path == str(SETTINGS.nvram / "d_VARS.qcow2")


def test_an_image_named_by_path_is_looked_up() -> None:
    domain = chosen("<os><loader readonly='yes' type='pflash'>/fw/plain</loader></os>")
    assert domain.os is not None
    assert domain.os.firmware == "efi"
    assert domain.os.nvram is not None
    assert domain.os.nvram.template == "/fw/plain_VARS"


@pytest.mark.parametrize(
    ("loader", "template"),
    [("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"), ("/mine", None)],
)
def test_an_unknown_image_is_raw(loader: str, template: str | None) -> None:
    domain = chosen(f"<os><loader readonly='yes' type='pflash'>{loader}</loader></os>")
    assert domain.os is not None
    assert domain.os.firmware is None
    assert domain.os.loader is not None
    assert domain.os.loader.image_format == "raw"
    assert domain.os.nvram is not None
    assert domain.os.nvram.template == template


def test_a_writable_image_has_no_variables_of_its_own() -> None:
    domain = chosen("<os><loader type='pflash'>/fw/plain</loader></os>")
    assert domain.os is not None
    assert (domain.os.firmware, domain.os.nvram) == (None, None)


def test_where_none_fits_a_new_domain_is_refused_and_a_stored_one_waits() -> None:
    wanted = "<os firmware='efi'><loader readonly='no'/></os>"
    with pytest.raises(NoFirmware) as caught:
        chosen(wanted)
    assert caught.value.wording == (
        "operation failed: Unable to find 'efi' firmware that is compatible with the current configuration"
    )
    assert not firmwarechoice.is_made(chosen(wanted, renew=False))


def test_features_need_automatic_choice() -> None:
    os = f"<os>{FEATURE.format('no', 'secure-boot')}<loader readonly='yes' type='pflash'>/fw/plain</loader></os>"
    with pytest.raises(XmlDetail):
        chosen(os)
