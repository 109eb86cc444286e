"""A running guest that the tests of lookup and checks change."""

from virtbus.domain import Domain, complete

GUEST = """
<domain type='kvm' id='3'>
  <name>shop</name>
  <uuid>0b1d1c5e-6e6c-4e1b-9a5f-0a1b2c3d4e5f</uuid>
  <memory unit='MiB'>1024</memory>
  <vcpu>2</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <disk type='file'>
      <source file='/srv/a.qcow2'/><target dev='vda' bus='virtio'/><alias name='virtio-disk0'/>
      <address type='pci' bus='0x03'/>
    </disk>
    <disk type='file'>
      <source file='/srv/c.qcow2'/><target dev='vdc' bus='virtio'/><alias name='ua-data'/>
    </disk>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><alias name='sata0-0-0'/></disk>
    <controller type='pci' index='0' model='pcie-root'><alias name='pcie.0'/></controller>
    <controller type='pci' index='2' model='pcie-root-port'><alias name='pci.2'/></controller>
    <controller type='scsi' index='0' model='virtio-scsi'><alias name='scsi0'/></controller>
    <controller type='sata' index='0'><alias name='ide'/></controller>
    <controller type='virtio-serial' index='0'><alias name='virtio-serial0'/></controller>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:0a'/><source bridge='br0'/><alias name='net0'/>
      <address type='pci' bus='0x01'/>
    </interface>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:02'/><source bridge='br0'/><alias name='net1'/>
      <address type='pci' bus='0x04'/>
    </interface>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:02'/><source bridge='br1'/><alias name='net2'/>
      <address type='pci' bus='0x05'/>
    </interface>
    <serial type='pty'><target port='0'/><alias name='serial0'/></serial>
    <channel type='unix'>
      <source mode='bind' path='/run/agent'/><target type='virtio' name='org.qemu.guest_agent.0'/>
      <alias name='channel0'/>
    </channel>
    <input type='tablet' bus='usb'><alias name='input0'/></input>
    <input type='keyboard' bus='usb'><alias name='input1'/></input>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source><address domain='0' bus='6' slot='2' function='1'/></source><alias name='hostdev0'/>
    </hostdev>
    <hostdev mode='subsystem' type='usb'>
      <source><vendor id='0x1234'/><product id='0xbeef'/></source><alias name='hostdev1'/>
    </hostdev>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend><alias name='rng0'/></rng>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend><alias name='rng1'/></rng>
    <watchdog model='i6300esb' action='reset'><alias name='watchdog0'/></watchdog>
    <memballoon model='virtio'><alias name='balloon0'/></memballoon>
    <memory model='dimm'><target><size unit='MiB'>256</size><node>0</node></target><alias name='dimm0'/></memory>
  </devices>
</domain>
"""


def guest() -> Domain:
    """The guest, complete."""
    domain = Domain.parse(GUEST)
    complete(domain)
    return domain
