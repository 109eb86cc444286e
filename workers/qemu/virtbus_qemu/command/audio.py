"""The host's end of the guest's sound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from virtbus.domain.domain import Domain
from virtbus.domain.sound import Audio, AudioDirection, AudioSettings, AudioType
from virtbus.errors import InternalError
from virtbus_qemu.command.parts import Context, compact, given
from virtbus_qemu.settings import QemuSettings

#: QEMU's names of the ways to play sound, where they differ.
_DRIVERS = {AudioType.PULSEAUDIO: "pa", AudioType.FILE: "wav"}


def options(context: Context) -> Iterator[str]:
    """-audiodev."""
    for each in context.domain.devices.audios:
        yield from ("-audiodev", compact(_properties(each)))


def audio_of(number: int | None, context: Context) -> str | None:
    """The name of the backend of a number, or of the first one where there is no number; None where there is none.

    :raise InternalError: no backend has that number.
    """
    audios = context.domain.devices.audios
    if number:
        if not any(each.id == number for each in audios):
            raise InternalError("unable to find audio backend for sound device", domain=context.domain.name)
        return f"audio{number}"
    return f"audio{audios[0].id}" if audios else None


def environment(domain: Domain, settings: QemuSettings) -> dict[str, str]:
    """The environment variables that the ways of playing sound read."""
    variables: dict[str, str] = {}
    for each in domain.devices.audios:
        if each.type is AudioType.SDL and each.driver:
            variables["SDL_AUDIODRIVER"] = each.driver
        elif each.type is AudioType.PIPEWIRE:
            folder = each.runtime_dir or settings.display.pipewire
            variables |= {"PIPEWIRE_RUNTIME_DIR": str(folder)} if folder else {}
    return variables


def _properties(audio: Audio) -> dict[str, Any]:
    own: dict[AudioType, dict[str, Any]] = {
        AudioType.PULSEAUDIO: {"server": audio.server_name},
        AudioType.FILE: {"path": audio.path},
        AudioType.OSS: {
            "try-mmap": audio.try_mmap,
            "exclusive": audio.exclusive,
            "dsp-policy": audio.dsp_policy,
        },
    }
    # Read here, and said to QEMU by its environment.
    _ = audio.driver, audio.runtime_dir
    return given(
        {
            "id": f"audio{audio.id}",
            "driver": _DRIVERS.get(audio.type, audio.type.value),
            "timer-period": audio.timer_period,
            **own.get(audio.type, {}),
            "in": _direction(audio.input, audio.type) or None,
            "out": _direction(audio.output, audio.type) or None,
        }
    )


def _direction(direction: AudioDirection | None, kind: AudioType) -> dict[str, Any]:
    if direction is None:
        return {}
    settings = direction.settings or AudioSettings()
    return given(
        {
            "mixing-engine": direction.mixing_engine,
            "fixed-settings": direction.fixed_settings,
            "voices": direction.voices or None,
            "buffer-length": direction.buffer_length or None,
            "frequency": settings.frequency or None,
            "channels": settings.channels or None,
            "format": settings.sample_format.value if settings.sample_format else None,
            **_own(direction, kind),
        }
    )


def _own(direction: AudioDirection, kind: AudioType) -> dict[str, Any]:
    """What only one way of playing sound has."""
    match kind:
        case AudioType.ALSA:
            return {"dev": direction.dev, "try-poll": direction.try_poll}
        case AudioType.COREAUDIO:
            return {"buffer-count": direction.buffer_count or None}
        case AudioType.JACK:
            return {
                "server-name": direction.server_name,
                "client-name": direction.client_name,
                "connect-ports": direction.connect_ports,
                "exact-name": direction.exact_name,
            }
        case AudioType.OSS:
            return {
                "dev": direction.dev,
                "buffer-count": direction.buffer_count or None,
                "try-poll": direction.try_poll,
            }
        case AudioType.PULSEAUDIO | AudioType.PIPEWIRE:
            return {
                "name": direction.name,
                "stream-name": direction.stream_name,
                "latency": direction.latency or None,
            }
        case AudioType.SDL:
            return {"buffer-count": direction.buffer_count or None}
    return {}
