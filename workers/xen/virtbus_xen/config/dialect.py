"""Whose configuration files are meant: xl's, or those of its predecessor xm."""

from __future__ import annotations

from enum import StrEnum


class Dialect(StrEnum):
    """The two file formats; they differ in disks, in how a kernel is named, and in how much xl adds."""

    XL = "xl"
    XM = "xm"
