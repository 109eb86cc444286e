"""The command line: virsh's verbs over a fleet.

`verbs` is the table of all of them and needs only the standard library, so that help and completion answer at once;
what a verb needs to run is loaded when it runs.
"""
