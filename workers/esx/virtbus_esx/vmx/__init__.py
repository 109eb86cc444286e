"""Domains and VMware's .vmx files, both ways, as libvirt's ESX driver reads and writes them.

domain = read_vmx(text, files)          # files says which volume a file's name means
text = write_vmx(domain, 13, files)     # for virtual hardware version 13
"""

from virtbus_esx.vmx.files import Files
from virtbus_esx.vmx.reading import read_vmx
from virtbus_esx.vmx.writing import write_vmx

__all__ = ["Files", "read_vmx", "write_vmx"]
