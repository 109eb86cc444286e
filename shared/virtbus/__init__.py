"""Virtbus: what every service agrees on."""

__version__ = "0.1.0"
