"""Sound cards, and the host's end of them."""

from __future__ import annotations

from enum import StrEnum

from virtbus.domain.address import Address
from virtbus.domain.device import AcpiIndex, Device, VirtioDriver, generated
from virtbus.xml import Element, UInt, attribute, child, children


class SoundModel(StrEnum):
    """Which card the guest sees."""

    SB16 = "sb16"
    ES1370 = "es1370"
    PCSPK = "pcspk"
    AC97 = "ac97"
    ICH6 = "ich6"
    ICH7 = "ich7"
    ICH9 = "ich9"
    USB = "usb"
    VIRTIO = "virtio"


class CodecType(StrEnum):
    """What an HDA codec offers."""

    DUPLEX = "duplex"
    MICRO = "micro"
    OUTPUT = "output"


class SoundCodec(Element, tag="codec"):
    """A codec on an HDA card."""

    type: CodecType = attribute()


class Sound(Device, tag="sound"):
    """A sound card."""

    model: SoundModel = attribute()
    multichannel: bool | None = attribute()
    streams: UInt | None = attribute()
    codecs: list[SoundCodec] = children()
    audio: UInt | None = child(attribute="id")
    alias: str | None = child(attribute="name", live=generated)
    acpi: AcpiIndex | None = child()
    address: Address | None = child()
    driver: VirtioDriver | None = child()


class AudioType(StrEnum):
    """What plays the guest's sound on the host."""

    NONE = "none"
    ALSA = "alsa"
    COREAUDIO = "coreaudio"
    JACK = "jack"
    OSS = "oss"
    PULSEAUDIO = "pulseaudio"
    SDL = "sdl"
    SPICE = "spice"
    FILE = "file"
    DBUS = "dbus"
    PIPEWIRE = "pipewire"


class SampleFormat(StrEnum):
    """How a sample is written."""

    S8 = "s8"
    U8 = "u8"
    S16 = "s16"
    U16 = "u16"
    S32 = "s32"
    U32 = "u32"
    F32 = "f32"


class AudioSettings(Element, tag="settings"):
    """The samples that the host plays or records."""

    frequency: UInt | None = attribute()
    channels: UInt | None = attribute()
    sample_format: SampleFormat | None = attribute("format")


class AudioDirection(Element):
    """Recording or playing on the host; which attributes matter depends on the audio's type."""

    mixing_engine: bool | None = attribute("mixingEngine")
    fixed_settings: bool | None = attribute("fixedSettings")
    voices: UInt | None = attribute()
    buffer_length: UInt | None = attribute("bufferLength")
    dev: str | None = attribute()
    name: str | None = attribute()
    stream_name: str | None = attribute("streamName")
    latency: UInt | None = attribute()
    server_name: str | None = attribute("serverName")
    client_name: str | None = attribute("clientName")
    connect_ports: str | None = attribute("connectPorts")
    exact_name: bool | None = attribute("exactName")
    buffer_count: UInt | None = attribute("bufferCount")
    try_poll: bool | None = attribute("tryPoll")
    settings: AudioSettings | None = child()


class Audio(Element, tag="audio"):
    """The host's end of sound cards; it is no device of the guest."""

    id: UInt = attribute()
    type: AudioType = attribute()
    timer_period: UInt | None = attribute("timerPeriod")
    driver: str | None = attribute()
    path: str | None = attribute()
    server_name: str | None = attribute("serverName")
    runtime_dir: str | None = attribute("runtimeDir")
    try_mmap: bool | None = attribute("tryMMap")
    exclusive: bool | None = attribute()
    dsp_policy: int | None = attribute("dspPolicy")
    input: AudioDirection | None = child()
    output: AudioDirection | None = child()
