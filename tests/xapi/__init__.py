"""XAPI's driver, against a simulator of a pool."""
