"""Linux names of keys as USB HID usages (HID Usage Tables, page 7), which the API takes."""

from __future__ import annotations

from string import ascii_uppercase

MODIFIERS = {
    "KEY_LEFTCTRL": "leftControl",
    "KEY_LEFTSHIFT": "leftShift",
    "KEY_LEFTALT": "leftAlt",
    "KEY_LEFTMETA": "leftGui",
    "KEY_RIGHTCTRL": "rightControl",
    "KEY_RIGHTSHIFT": "rightShift",
    "KEY_RIGHTALT": "rightAlt",
    "KEY_RIGHTMETA": "rightGui",
}
"""Keys that are held while others are pressed."""

_DIGITS = "1234567890"
_FROM_40 = """
ENTER ESC BACKSPACE TAB SPACE MINUS EQUAL LEFTBRACE RIGHTBRACE BACKSLASH 102ND SEMICOLON APOSTROPHE GRAVE COMMA DOT
SLASH CAPSLOCK F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12 SYSRQ SCROLLLOCK PAUSE INSERT HOME PAGEUP DELETE END PAGEDOWN
RIGHT LEFT DOWN UP NUMLOCK KPSLASH KPASTERISK KPMINUS KPPLUS KPENTER KP1 KP2 KP3 KP4 KP5 KP6 KP7 KP8 KP9 KP0 KPDOT
"""

USAGES: dict[str, int] = {
    **{f"KEY_{letter}": 4 + number for number, letter in enumerate(ascii_uppercase)},
    **{f"KEY_{name}": 30 + number for number, name in enumerate(_DIGITS)},
    **{f"KEY_{name}": 40 + number for number, name in enumerate(_FROM_40.split())},
}
"""The usage of every other key."""
