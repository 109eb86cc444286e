"""What the runtime does for each operation: checks, the driver's facet, and the persistent definition.

A handler gets the operation's arguments, the domain's desk and the work; it returns the operation's result, or raises
the error that the job ends with. A module per object, like virtbus.operations; `HANDLERS` is the whole table.
"""

from virtbus.worker.handlers import console, copying, definition, devices, lifecycle, saving, snapshots, tuning
from virtbus.worker.handlers.case import Case, Handler

HANDLERS: dict[str, Handler] = {
    **definition.HANDLERS,
    **lifecycle.HANDLERS,
    **devices.HANDLERS,
    **tuning.HANDLERS,
    **console.HANDLERS,
    **copying.HANDLERS,
    **snapshots.HANDLERS,
    **saving.HANDLERS,
}
"""The handler of every job operation, by the operation's name."""

__all__ = ["HANDLERS", "Case", "Handler"]
