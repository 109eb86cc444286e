"""Tests of the simulated hypervisor and its driver."""
