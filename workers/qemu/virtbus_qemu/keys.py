"""Linux key names (linux/input-event-codes.h) in QEMU's words (QAPI QKeyCode)."""

from __future__ import annotations

_DIFFERENT = {
    "KEY_LEFTSHIFT": "shift", "KEY_RIGHTSHIFT": "shift_r", "KEY_LEFTALT": "alt", "KEY_RIGHTALT": "alt_r",
    "KEY_LEFTCTRL": "ctrl", "KEY_RIGHTCTRL": "ctrl_r", "KEY_COMPOSE": "menu", "KEY_ESC": "esc", "KEY_EQUAL": "equal",
    "KEY_LEFTBRACE": "bracket_left", "KEY_RIGHTBRACE": "bracket_right", "KEY_ENTER": "ret", "KEY_GRAVE": "grave_accent",
    "KEY_SPACE": "spc", "KEY_CAPSLOCK": "caps_lock", "KEY_NUMLOCK": "num_lock", "KEY_SCROLLLOCK": "scroll_lock",
    "KEY_KPSLASH": "kp_divide", "KEY_KPASTERISK": "kp_multiply", "KEY_KPMINUS": "kp_subtract", "KEY_KPPLUS": "kp_add",
    "KEY_KPENTER": "kp_enter", "KEY_KPDOT": "kp_decimal", "KEY_KPEQUAL": "kp_equals", "KEY_KPCOMMA": "kp_comma",
    "KEY_102ND": "less", "KEY_SYSRQ": "sysrq", "KEY_PAGEUP": "pgup", "KEY_PAGEDOWN": "pgdn",
    "KEY_LEFTMETA": "meta_l", "KEY_RIGHTMETA": "meta_r", "KEY_MUTE": "audiomute", "KEY_VOLUMEDOWN": "volumedown",
    "KEY_VOLUMEUP": "volumeup", "KEY_SEMICOLON": "semicolon", "KEY_DOT": "dot",
}  # fmt: skip
_SAME = (
    "minus", "backspace", "tab", "apostrophe", "backslash", "comma", "slash", "home", "end", "insert", "delete", "up",
    "down", "left", "right", "stop", "again", "props", "undo", "front", "copy", "open", "paste", "find", "cut", "help",
    "power", "sleep", "wake", "calculator", "pause", "print",
)  # fmt: skip

QCODES: dict[str, str] = {
    **{f"KEY_{letter.upper()}": letter for letter in "abcdefghijklmnopqrstuvwxyz0123456789"},
    **{f"KEY_F{number}": f"f{number}" for number in range(1, 13)},
    **{f"KEY_KP{number}": f"kp_{number}" for number in range(10)},
    **{f"KEY_{name.upper()}": name for name in _SAME},
    **_DIFFERENT,
}
"""QEMU's name of each key."""
