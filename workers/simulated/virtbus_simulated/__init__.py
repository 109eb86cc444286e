"""The simulated hypervisor, and the driver that makes it a family of hosts like any other.

    python -m virtbus_simulated --socket /run/h.sock --uri 'simulated:///default?domains=100' --log /run/effects.jsonl

`hypervisor` is a process of its own with libvirt's test:///default as its model: it runs domains whether a client is
there or not, keeps a history of each, fails on purpose where it is told to, and writes every effect to a log that
never touches the bus. `driver` is its client, by `session` (the connection), `ledger` (what was told), and a module
for each facet. Where a domain of one host is to fail, its name says so (`web.slow-guest`), or its label
`simulated.fail`, or a `control` request; for all domains of a host its URI does (`?fail=lost-event`).
"""
