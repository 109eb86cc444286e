"""Processors: which model a CPUID describes, which of two is the larger, and what several have in common.

table = CpuTable.load(folder)
decode(table, table.data(CpuRegisters.parse(xml)), host=True)    # the named model nearest to it
compare(table, host, guest)                                      # Comparison.SUPERSET
baseline(table, [host, other])                                   # what both can run
"""

from virtbus.cpu.baseline import baseline
from virtbus.cpu.compare import Comparison, compare
from virtbus.cpu.decode import Decoded, decode
from virtbus.cpu.definition import CpuDefinition
from virtbus.cpu.host import HostCpu
from virtbus.cpu.power import PowerTable
from virtbus.cpu.registers import CpuRegisters
from virtbus.cpu.table import CpuData, CpuTable, Feature, Model
from virtbus.cpu.update import adjust, complete_cpu, expand, observe, translate

__all__ = [
    "Comparison",
    "CpuData",
    "CpuDefinition",
    "CpuRegisters",
    "CpuTable",
    "Decoded",
    "Feature",
    "HostCpu",
    "Model",
    "PowerTable",
    "adjust",
    "baseline",
    "compare",
    "complete_cpu",
    "decode",
    "expand",
    "observe",
    "translate",
]
