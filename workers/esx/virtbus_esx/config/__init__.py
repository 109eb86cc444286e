"""Domains and the vSphere API's configuration of virtual machines, both ways."""
