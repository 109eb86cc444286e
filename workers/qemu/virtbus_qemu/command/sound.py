"""Sound cards."""

from __future__ import annotations

from virtbus.domain.sound import CodecType, Sound, SoundModel
from virtbus.errors import InternalError
from virtbus_qemu.command import place
from virtbus_qemu.command.audio import audio_of
from virtbus_qemu.command.parts import Context, Parts, compact, given

#: QEMU's names of the cards.
_CARDS = {
    SoundModel.ES1370: "ES1370",
    SoundModel.AC97: "AC97",
    SoundModel.ICH6: "intel-hda",
    SoundModel.ICH9: "ich9-intel-hda",
    SoundModel.USB: "usb-audio",
    SoundModel.SB16: "sb16",
}

_WITH_CODECS = (SoundModel.ICH6, SoundModel.ICH9)

_CODECS = {CodecType.DUPLEX: "hda-duplex", CodecType.MICRO: "hda-micro", CodecType.OUTPUT: "hda-output"}


def describe(device: Sound, context: Context) -> Parts:
    """A sound card. The speaker of a PC is part of the machine (-machine pcspk-audiodev).

    :raise InternalError: QEMU has no such card.
    """
    if device.model is SoundModel.PCSPK:
        _ = device.audio
        return Parts()
    audio = audio_of(device.audio, context)
    if audio is None:
        raise InternalError("unable to find audio backend for sound device", domain=context.domain.name)
    has_codecs = device.model in _WITH_CODECS
    guest = {
        "driver": _driver(device, context),
        **(place.virtio(device.driver) if device.model is SoundModel.VIRTIO else {}),
        "id": device.alias,
        **given(
            audiodev=None if has_codecs else audio,
            multi=device.multichannel if device.model is SoundModel.USB else None,
            streams=(device.streams or None) if device.model is SoundModel.VIRTIO else None,
        ),
        **place.of(device, context),
    }
    return Parts(device=guest, options=_codecs(device, audio) if has_codecs else ())


def _driver(device: Sound, context: Context) -> str:
    if device.model is SoundModel.VIRTIO:
        return "virtio-sound-pci"
    if device.model not in _CARDS:
        raise InternalError(
            f"sound card model '{device.model}' is not supported by qemu",
            domain=context.domain.name,
            evidence={"path": "/domain/devices/sound/@model"},
        )
    return _CARDS[device.model]


def _codecs(device: Sound, audio: str) -> tuple[str, ...]:
    """The codecs of an HDA card, which has one for both directions where none is said."""
    words: list[str] = []
    for number, kind in enumerate([each.type for each in device.codecs] or [CodecType.DUPLEX]):
        codec = {
            "driver": _CODECS[kind],
            "id": f"{device.alias}-codec{number}",
            "bus": f"{device.alias}.0",
            "cad": number,
            "audiodev": audio,
        }
        words += ["-device", compact(codec)]
    return tuple(words)
