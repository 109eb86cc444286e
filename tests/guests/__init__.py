"""Guests that the tests boot."""
