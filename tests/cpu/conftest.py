"""A small table of processors, in the format that the project reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtbus.cpu import CpuTable, PowerTable

FILES = {
    "index.xml": """
<cpus>
  <arch name='x86'>
    <include filename='x86_parts.xml'/>
    <group name='models'><include filename='x86_models.xml'/></group>
  </arch>
  <arch name='ppc64'><include filename='ppc64.xml'/></arch>
</cpus>""",
    "x86_parts.xml": """
<cpus>
  <vendor name='Intel' string='GenuineIntel'/>
  <vendor name='AMD' string='AuthenticAMD'/>
  <feature name='pni'><alias name='sse3' source='qemu'/><cpuid eax_in='0x01' ecx='0x00000001'/></feature>
  <feature name='ssse3'><cpuid eax_in='0x01' ecx='0x00000200'/></feature>
  <feature name='vme'><cpuid eax_in='0x01' edx='0x00000002'/></feature>
  <feature name='hle'><cpuid eax_in='0x07' ecx_in='0x00' ebx='0x00000010'/></feature>
  <feature name='rtm'><cpuid eax_in='0x07' ecx_in='0x00' ebx='0x00000800'/></feature>
  <feature name='invtsc' migratable='no'><cpuid eax_in='0x80000007' edx='0x00000100'/></feature>
  <feature name='rdctl-no'><msr index='0x0000010a' edx='0x0' eax='0x00000001'/></feature>
</cpus>""",
    "x86_models.xml": """
<cpus>
  <model name='plain'><decode host='on' guest='on'/><feature name='pni'/></model>
  <model name='plain-v1'><decode host='on' guest='off'/><model name='plain'/></model>
  <model name='Lake'>
    <decode host='on' guest='on'/>
    <signature family='6' model='60' stepping='0-2,5'/>
    <vendor name='Intel'/>
    <feature name='pni'/>
    <feature name='ssse3'/>
    <feature name='rdctl-no' added='yes'/>
    <feature name='vme' removed='yes'/>
  </model>
  <model name='Rome'>
    <decode host='on' guest='on'/>
    <signature family='23' model='49'/>
    <vendor name='AMD'/>
    <feature name='pni'/>
    <feature name='ssse3'/>
    <feature name='rtm'/>
  </model>
</cpus>""",
    "ppc64.xml": """
<cpus>
  <vendor name='IBM'/>
  <model name='POWER8'><vendor name='IBM'/><pvr value='0x004b0000' mask='0xffff0000'/></model>
  <model name='POWER9'><vendor name='IBM'/><pvr value='0x004e0000' mask='0xffff0000'/></model>
</cpus>""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The table's folder."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.strip())
    return tmp_path


@pytest.fixture
def table(folder: Path) -> CpuTable:
    """x86."""
    return CpuTable.load(folder)


@pytest.fixture
def power(folder: Path) -> PowerTable:
    """POWER."""
    return PowerTable.load(folder)
