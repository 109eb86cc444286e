"""The runtime that serves a driver on the bus.

service -> host -> lane -> a handler of worker.handlers -> the driver's facet; and back: the driver's observations ->
desk (transitions: record and events in one write) -> the bus. Every hypervisor family is served by this same code.
"""
