"""VMware: ESX hosts, alone or behind a vCenter, as hosts of Virtbus.

`soap` speaks the vSphere Web Services API by itself, over httpx and lxml; `manager` is one ESX host or vCenter with its
session, its update stream and its tasks, shared by all the hosts of it that this process serves; `machine` is a virtual
machine as it was last told of; `config` translates between domains and the API's configuration, `vmx` between domains
and .vmx files. `driver` and a module for each facet stand on them.
"""
