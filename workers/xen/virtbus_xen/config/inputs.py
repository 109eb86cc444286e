"""USB input devices and sound cards of full guests."""

from __future__ import annotations

from virtbus.domain import Domain, Input, InputBus, InputType, Sound
from virtbus.domain.sound import SoundModel
from virtbus.errors import ConfigUnsupported
from virtbus_xen.config.dialect import Dialect
from virtbus_xen.config.guest import is_full
from virtbus_xen.config.syntax import Settings

_INPUTS = ("mouse", "tablet", "keyboard")


def read(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    if not is_full(domain):
        return
    for name in settings.several("usbdevice"):
        if name in _INPUTS:
            domain.devices.inputs.append(Input(type=InputType(name), bus=InputBus.USB))
    cards = settings.text("soundhw") or ""
    domain.devices.sounds += [Sound(model=SoundModel(name)) for name in filter(None, cards.split(","))]


def write(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    names = []
    for device in domain.devices.inputs if is_full(domain) else ():
        if device.bus is InputBus.USB:
            if device.type not in _INPUTS:
                raise ConfigUnsupported(f"unsupported input type '{device.type}'", domain=domain.name)
            names.append(str(device.type))
    if names:
        settings["usb"] = 1
        settings["usbdevice"] = list(names) if len(names) > 1 and dialect is Dialect.XL else names[0]


def write_sounds(settings: Settings, domain: Domain, dialect: Dialect) -> None:
    if is_full(domain) and domain.devices.sounds:
        settings["soundhw"] = ",".join(str(each.model) for each in domain.devices.sounds)
