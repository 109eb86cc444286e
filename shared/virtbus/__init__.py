"""Virtbus: what every service agrees on."""
