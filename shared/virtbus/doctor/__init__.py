"""`virtbus doctor`: holds a machine against what a service needs of it, and says what to mend.

A check looks at one thing, changes nothing, and answers with findings. Those that every service needs lie here; a
hypervisor family brings its own through the entry point group `virtbus.doctor`, each a `Family`.
"""

from virtbus.doctor.finding import Check, Family, Finding, Place, Verdict, on_disk

__all__ = ["Check", "Family", "Finding", "Place", "Verdict", "on_disk"]
