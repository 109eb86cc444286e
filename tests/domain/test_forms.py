"""What migrates leaves out the controllers that QEMU's older machines have by themselves."""

from __future__ import annotations

import pytest

from virtbus.domain import Domain, Form

ROOT = "<controller type='pci' index='0' model='pci-root'/>"
USB = "<controller type='usb' index='0' model='piix3-uhci'/>"


def domain(*controllers: str, machine: str = "pc-i440fx-7.2") -> Domain:
    """A domain with these controllers."""
    return Domain.parse(
        f"<domain type='kvm'><name>a</name><os><type arch='x86_64' machine='{machine}'>hvm</type></os>"
        f"<devices>{''.join(controllers)}</devices></domain>"
    )


def test_the_usual_controllers_do_not_migrate() -> None:
    guest = domain(ROOT, USB)
    assert "controller" not in guest.format(Form.MIGRATABLE)
    assert guest.format(Form.INACTIVE).count("<controller") == 2


@pytest.mark.parametrize(
    "controllers",
    [
        (USB, "<controller type='usb' index='1' model='piix3-uhci'/>"),
        ("<controller type='usb' index='0' model='qemu-xhci'/>",),
        ("<controller type='usb' index='0' model='piix3-uhci'><alias name='ua-usb'/></controller>",),
        ("<controller type='pci' index='0' model='pcie-root'/>",),
        (ROOT, "<controller type='pci' index='1' model='pci-bridge'/>"),
    ],
    ids=["two", "another model", "named by the user", "express", "with a bridge"],
)
def test_whatever_is_not_usual_migrates(controllers: tuple[str, ...]) -> None:
    assert domain(*controllers).format(Form.MIGRATABLE).count("<controller") == len(controllers)


def test_only_pc_machines_have_a_usual_usb_controller() -> None:
    assert "usb" in domain(USB, machine="pc-q35-7.2").format(Form.MIGRATABLE)
