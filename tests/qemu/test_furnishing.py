"""What a machine is furnished with: inputs, hubs, watchdogs, balloon, IOMMU, shared folders and memory, stores."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.qemu.alone import context, device_of, words
from virtbus.domain.devices import parse_device
from virtbus.domain.memory import MemoryAllocation, MemoryAllocationMode, MemoryBacking
from virtbus.domain.tuning import Vcpu
from virtbus.errors import ConfigUnsupported, XmlError
from virtbus_qemu.command import describe, keyvalue, watchdog
from virtbus_qemu.settings import QemuSettings

PLACE = "<address type='pci' bus='0x01' slot='0x02'/>"
PORT = "<address type='usb' bus='0' port='3'/>"
USB = "<controller type='usb' index='0' model='qemu-xhci'><alias name='usb'/></controller>"
WHERE = {"bus": "pci.1", "addr": "0x2"}


def objects_of(argv: list[str]) -> list[dict[str, Any]]:
    return [json.loads(argv[place + 1]) for place, word in enumerate(argv) if word == "-object"]


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        (
            f"<input type='tablet' bus='usb'>{PORT}</input>",
            {"driver": "usb-tablet", "id": "dev0", "bus": "usb.0", "port": "3"},
        ),
        (
            f"<input type='keyboard' bus='virtio'><driver packed='on'/>{PLACE}</input>",
            {"driver": "virtio-keyboard-pci", "packed": True, "id": "dev0", **WHERE},
        ),
        (
            f"<input type='passthrough' bus='virtio'><source evdev='/dev/input/event3'/>{PLACE}</input>",
            {"driver": "virtio-input-host-pci", "id": "dev0", "evdev": "/dev/input/event3", **WHERE},
        ),
        (f"<hub type='usb'>{PORT}</hub>", {"driver": "usb-hub", "id": "dev0", "bus": "usb.0", "port": "3"}),
        (
            f"<watchdog model='i6300esb' action='reset'>{PLACE}</watchdog>",
            {"driver": "i6300esb", "id": "dev0", **WHERE},
        ),
        (
            f"<memballoon model='virtio' autodeflate='on' freePageReporting='off'>{PLACE}</memballoon>",
            {
                "driver": "virtio-balloon-pci",
                "id": "dev0",
                "deflate-on-oom": True,
                "free-page-reporting": False,
                **WHERE,
            },
        ),
        (
            "<iommu model='intel'><driver intremap='on' caching_mode='off' eim='on' iotlb='on' aw_bits='48'/></iommu>",
            {
                "driver": "intel-iommu",
                "id": "dev0",
                "intremap": "on",
                "caching-mode": False,
                "eim": "on",
                "device-iotlb": True,
                "aw-bits": 48,
            },
        ),
        (f"<iommu model='virtio'>{PLACE}</iommu>", {"driver": "virtio-iommu", "id": "dev0", **WHERE}),
        (
            "<panic model='isa'><address type='isa' iobase='0x505'/></panic>",
            {"driver": "pvpanic", "ioport": 1285},
        ),
        (f"<panic model='pvpanic'>{PLACE}</panic>", {"driver": "pvpanic-pci", **WHERE}),
        (
            f"<filesystem><driver type='mtp'/><source dir='/s'/><target dir='t'/><readonly/>{PORT}</filesystem>",
            {
                "driver": "usb-mtp",
                "id": "dev0",
                "rootdir": "/s",
                "desc": "t",
                "readonly": True,
                "bus": "usb.0",
                "port": "3",
            },
        ),
    ],
)
def test_devices_with_few_settings(xml: str, expected: dict[str, Any]) -> None:
    found = device_of(words(xml, context(devices=USB)))
    assert list(found.items()) == list(expected.items())


@pytest.mark.parametrize(
    "xml",
    [
        "<input type='mouse' bus='ps2'/>",
        "<memballoon model='none'/>",
        "<iommu model='smmuv3'/>",
        "<panic model='hyperv'/>",
        "<panic model='pseries'/>",
        "<watchdog model='itco' action='reset'/>",
    ],
)
def test_what_the_machine_has_by_itself_is_no_device(xml: str) -> None:
    assert words(xml) == []


def test_a_device_of_the_host_whose_events_qemu_reads() -> None:
    xml = "<input type='evdev'><source dev='/dev/input/event1' grab='all' repeat='on' grabToggle='alt-alt'/></input>"
    assert objects_of(words(xml)) == [
        {
            "qom-type": "input-linux",
            "id": "dev0",
            "evdev": "/dev/input/event1",
            "repeat": True,
            "grab_all": True,
            "grab-toggle": "alt-alt",
        }
    ]


@pytest.mark.parametrize(
    ("devices", "argv"),
    [
        ("", []),
        ("<watchdog model='ib700' action='dump'/>", ["-watchdog-action", "pause"]),
        (
            "<watchdog model='i6300esb' action='poweroff'/><watchdog model='itco' action='poweroff'/>",
            ["-global", "ICH9-LPC.noreboot=off", "-watchdog-action", "poweroff"],
        ),
    ],
)
def test_all_watchdogs_have_one_action(devices: str, argv: list[str]) -> None:
    assert list(watchdog.options(context(devices=devices))) == argv


def test_statistics_of_the_balloon_are_asked_for_once_it_is_there() -> None:
    device = parse_device(f"<memballoon model='virtio'><stats period='5'/>{PLACE}</memballoon>")
    device.alias = "balloon0"
    (command,) = describe(device, context()).settle
    assert (command.execute, command.arguments["value"]) == ("qom-set", 5)


def folder(attributes: str = "", inside: str = "") -> list[str]:
    return words(
        f"<filesystem {attributes}>{inside}<source dir='/s,t'/><target dir='tag'/>{PLACE}</filesystem>",
    )


@pytest.mark.parametrize(
    ("attributes", "inside", "option"),
    [
        ("", "", "local,security_model=passthrough,id=fsdev-dev0,path=/s,,t"),
        ("accessmode='squash'", "", "local,security_model=none,id=fsdev-dev0,path=/s,,t"),
        (
            "accessmode='mapped' multidevs='remap' fmode='0740' dmode='0750'",
            "<driver type='path' wrpolicy='immediate'/><readonly/>",
            "local,security_model=mapped,multidevs=remap,fmode=0740,dmode=0750,writeout=immediate,id=fsdev-dev0,"
            "path=/s,,t,readonly",
        ),
    ],
)
def test_folders_that_qemu_serves_itself(attributes: str, inside: str, option: str) -> None:
    argv = folder(attributes, inside)
    assert argv[:2] == ["-fsdev", option]
    assert device_of(argv) == {
        "driver": "virtio-9p-pci",
        "id": "dev0",
        "fsdev": "fsdev-dev0",
        "mount_tag": "tag",
        **WHERE,
    }


@pytest.mark.parametrize(
    ("source", "socket"),
    [("<source dir='/s'/>", "/run/streams/dev0-fs.sock"), ("<source socket='/mine'/>", "/mine")],
)
def test_folders_that_a_daemon_serves(source: str, socket: str) -> None:
    xml = f"<filesystem><driver type='virtiofs' queue='512'/>{source}<target dir='tag'/>{PLACE}</filesystem>"
    argv = words(xml)
    assert argv[:2] == ["-chardev", f"socket,id=chr-vu-dev0,path={socket}"]
    assert device_of(argv)["queue-size"] == 512


def test_only_folders_are_mounted() -> None:
    with pytest.raises(ConfigUnsupported, match="only supports mount filesystem type"):
        words("<filesystem type='ram'><source usage='1'/><target dir='t'/></filesystem>")


def test_memory_that_guests_share_by_a_file() -> None:
    argv = words(f"<shmem name='m' role='peer'><model type='ivshmem-plain'/><size unit='M'>8</size>{PLACE}</shmem>")
    assert objects_of(argv) == [
        {
            "qom-type": "memory-backend-file",
            "id": "shmmem-dev0",
            "mem-path": "/dev/shm/m",
            "size": 8388608,
            "share": True,
        }
    ]
    assert device_of(argv)["master"] == "off"


def test_memory_that_a_server_hands_out_stands_before_its_connection() -> None:
    xml = (
        "<shmem name='m'><model type='ivshmem-doorbell'/><server path='/s'/><msi vectors='4' ioeventfd='off'/>"
        f"{PLACE}</shmem>"
    )
    argv = words(xml)
    assert argv[2:] == ["-chardev", "socket,id=chardev0,path=/s"]
    assert device_of(argv) == {
        "driver": "ivshmem-doorbell",
        "id": "dev0",
        "chardev": "chardev0",
        "vectors": 4,
        "ioeventfd": False,
        **WHERE,
    }


def test_shared_memory_is_a_card() -> None:
    with pytest.raises(ConfigUnsupported, match="only 'pci' addresses are supported"):
        words("<shmem name='m'><model type='ivshmem-plain'/><address type='isa'/></shmem>")


def test_stores_and_crypto_devices_have_a_backend() -> None:
    argv = words(f"<pstore backend='acpi-erst'><path>/p</path><size unit='KiB'>8</size>{PLACE}</pstore>")
    assert objects_of(argv)[0] == {
        "qom-type": "memory-backend-file",
        "id": "memdev0",
        "mem-path": "/p",
        "size": 8192,
        "share": True,
    }
    argv = words(f"<crypto model='virtio' type='qemu'><backend model='builtin' queues='2'/>{PLACE}</crypto>")
    assert objects_of(argv)[0] == {"qom-type": "cryptodev-backend-builtin", "id": "objdev0", "queues": 2}
    assert list(device_of(argv))[:3] == ["driver", "cryptodev", "id"]


def test_the_nvram_of_power_guests() -> None:
    assert words("<nvram><address type='spapr-vio' reg='0x4000'/></nvram>") == ["-global", "spapr-nvram.reg=0x4000"]
    with pytest.raises(XmlError, match="nvram address type must be spaprvio"):
        words("<nvram/>")


NODE = "<memory model='{model}'>{inside}<address type='dimm' slot='1' base='0x100000000'/></memory>"


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        (
            NODE.format(model="dimm", inside="<target><size unit='KiB'>2048</size></target>"),
            {"driver": "pc-dimm", "memdev": "memdev0", "id": "dev0", "slot": 1, "addr": 4294967296},
        ),
        (
            NODE.format(
                model="nvdimm",
                inside="<source><path>/n</path></source><target><size unit='KiB'>2048</size>"
                "<label><size unit='KiB'>128</size></label><readonly/></target>",
            ),
            {
                "driver": "nvdimm",
                "label-size": 131072,
                "unarmed": True,
                "memdev": "memdev0",
                "id": "dev0",
                "slot": 1,
                "addr": 4294967296,
            },
        ),
        (
            "<memory model='virtio-mem'><target><size unit='KiB'>4096</size><block unit='KiB'>2048</block>"
            f"<requested unit='KiB'>2048</requested></target>{PLACE}</memory>",
            {
                "driver": "virtio-mem-pci",
                "block-size": 2097152,
                "requested-size": 2097152,
                "memdev": "memdev0",
                "id": "dev0",
                **WHERE,
            },
        ),
    ],
)
def test_memory_devices(xml: str, expected: dict[str, Any]) -> None:
    assert list(device_of(words(xml)).items()) == list(expected.items())


@pytest.mark.parametrize(("cpus", "affinity"), [(None, [0, 1]), ("1", [1]), ("7", None)])
def test_memory_is_touched_by_threads_that_may_run_on_its_nodes(cpus: str | None, affinity: list[int] | None) -> None:
    settings = QemuSettings(numa_nodes=frozenset({0, 1}), node_cpus={0: frozenset({0}), 1: frozenset({1})})
    where = context(settings=settings)
    where.domain.vcpu = Vcpu(cpuset=cpus)
    where.domain.memory_backing = MemoryBacking(allocation=MemoryAllocation(mode=MemoryAllocationMode.IMMEDIATE))
    inside = "<source><nodemask>0-1</nodemask></source><target><size unit='KiB'>2048</size></target>"
    *threads, memory = objects_of(words(NODE.format(model="dimm", inside=inside), where))
    assert memory["host-nodes"] == [0, 1]
    assert [each["node-affinity"] for each in threads] == ([] if affinity is None else [affinity])


def test_an_older_qemu_is_told_of_devices_in_its_own_syntax() -> None:
    argv = ["qemu", "-device", '{"driver":"vga","id":"x","multifunction":true,"port":8}', "-object", '{"id":"y"}']
    assert keyvalue.without_device_json(argv) == [
        *("qemu", "-device", "vga,id=x,multifunction=on,port=8", "-object", '{"id":"y"}')
    ]
