"""Linux key names (linux/input-event-codes.h) as the virtual key codes of Windows (WinUser.h)."""

from __future__ import annotations

_NAMED = {
    "BACKSPACE": 0x08, "TAB": 0x09, "ENTER": 0x0D, "PAUSE": 0x13, "CAPSLOCK": 0x14, "ESC": 0x1B, "SPACE": 0x20,
    "PAGEUP": 0x21, "PAGEDOWN": 0x22, "END": 0x23, "HOME": 0x24, "LEFT": 0x25, "UP": 0x26, "RIGHT": 0x27,
    "DOWN": 0x28, "SYSRQ": 0x2C, "INSERT": 0x2D, "DELETE": 0x2E, "HELP": 0x2F, "LEFTMETA": 0x5B, "RIGHTMETA": 0x5C,
    "COMPOSE": 0x5D, "SLEEP": 0x5F, "KPASTERISK": 0x6A, "KPPLUS": 0x6B, "KPCOMMA": 0x6C, "KPMINUS": 0x6D,
    "KPDOT": 0x6E, "KPSLASH": 0x6F, "KPENTER": 0x0D, "NUMLOCK": 0x90, "SCROLLLOCK": 0x91, "LEFTSHIFT": 0xA0,
    "RIGHTSHIFT": 0xA1, "LEFTCTRL": 0xA2, "RIGHTCTRL": 0xA3, "LEFTALT": 0xA4, "RIGHTALT": 0xA5, "MUTE": 0xAD,
    "VOLUMEDOWN": 0xAE, "VOLUMEUP": 0xAF, "SEMICOLON": 0xBA, "EQUAL": 0xBB, "COMMA": 0xBC, "MINUS": 0xBD, "DOT": 0xBE,
    "SLASH": 0xBF, "GRAVE": 0xC0, "LEFTBRACE": 0xDB, "BACKSLASH": 0xDC, "RIGHTBRACE": 0xDD, "APOSTROPHE": 0xDE,
    "102ND": 0xE2,
}  # fmt: skip

VIRTUAL_KEYS: dict[str, int] = {
    **{f"KEY_{letter}": ord(letter) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"},
    **{f"KEY_KP{number}": 0x60 + number for number in range(10)},
    **{f"KEY_F{number}": 0x6F + number for number in range(1, 25)},
    **{f"KEY_{name}": code for name, code in _NAMED.items()},
}
"""The code of each key."""
