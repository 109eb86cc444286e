"""The structures that this worker sends, each with its fields in the order of the API's schema (vSphere 6.5)."""

from __future__ import annotations

_DEVICE = ("key", "deviceInfo", "backing", "connectable", "slotInfo", "controllerKey", "unitNumber")
_CONTROLLER = (*_DEVICE, "busNumber", "device")
_SCSI = (*_CONTROLLER, "hotAddRemove", "sharedBus", "scsiCtlrUnitNumber")
_CARD = (*_DEVICE, "addressType", "macAddress", "wakeOnLanEnabled")
_FILE = ("fileName", "datastore", "backingObjectId")
_HOST_DEVICE = ("deviceName", "useAutoDetect")
_PIPE = ("pipeName",)
_URI = ("serviceURI", "direction", "proxyURI")

FIELDS: dict[str, tuple[str, ...]] = {
    # Machines.
    "VirtualMachineConfigSpec": (
        "changeVersion", "name", "version", "createDate", "uuid", "instanceUuid", "npivNodeWorldWideName",
        "npivPortWorldWideName", "npivWorldWideNameType", "npivDesiredNodeWwns", "npivDesiredPortWwns",
        "npivTemporaryDisabled", "npivOnNonRdmDisks", "npivWorldWideNameOp", "locationId", "guestId",
        "alternateGuestName", "annotation", "files", "tools", "flags", "consolePreferences", "powerOpInfo", "numCPUs",
        "numCoresPerSocket", "memoryMB", "memoryHotAddEnabled", "cpuHotAddEnabled", "cpuHotRemoveEnabled",
        "virtualICH7MPresent", "virtualSMCPresent", "deviceChange", "cpuAllocation", "memoryAllocation",
        "latencySensitivity", "cpuAffinity", "memoryAffinity", "networkShaper", "cpuFeatureMask", "extraConfig",
        "swapPlacement", "bootOptions", "vAppConfig", "ftInfo", "repConfig", "vAppConfigRemoved", "vAssertsEnabled",
        "changeTrackingEnabled", "firmware", "maxMksConnections", "guestAutoLockEnabled", "managedBy",
        "memoryReservationLockedToMax", "nestedHVEnabled", "vPMCEnabled",
    ),
    "VirtualMachineFileInfo": (
        "vmPathName", "snapshotDirectory", "suspendDirectory", "logDirectory", "ftMetadataDirectory",
    ),
    "VirtualMachineBootOptions": (
        "bootDelay", "enterBIOSSetup", "efiSecureBootEnabled", "bootRetryEnabled", "bootRetryDelay", "bootOrder",
        "networkBootProtocol",
    ),
    "VirtualMachineAffinityInfo": ("affinitySet",),
    "VirtualMachineFlagInfo": (
        "disableAcceleration", "enableLogging", "useToe", "runWithDebugInfo", "monitorType", "htSharing",
    ),
    "ResourceAllocationInfo": ("reservation", "expandableReservation", "limit", "shares", "overheadLimit"),
    "SharesInfo": ("shares", "level"),
    "OptionValue": ("key", "value"),
    "VirtualMachineCloneSpec": ("location", "template", "config", "customization", "powerOn", "snapshot", "memory"),
    "VirtualMachineRelocateSpec": (
        "service", "folder", "datastore", "diskMoveType", "pool", "host", "disk", "transform", "deviceChange",
        "profile",
    ),
    # Devices.
    "VirtualDeviceConfigSpec": ("operation", "fileOperation", "device", "profile"),
    "VirtualDeviceConnectInfo": (
        "migrateConnect", "startConnected", "allowGuestControl", "connected", "status",
    ),
    "Description": ("label", "summary"),
    "VirtualLsiLogicController": _SCSI,
    "VirtualLsiLogicSASController": _SCSI,
    "VirtualBusLogicController": _SCSI,
    "ParaVirtualSCSIController": _SCSI,
    "VirtualIDEController": _CONTROLLER,
    "VirtualAHCIController": _CONTROLLER,
    "VirtualDisk": (
        *_DEVICE, "capacityInKB", "capacityInBytes", "shares", "storageIOAllocation", "diskObjectId",
    ),
    "StorageIOAllocationInfo": ("limit", "shares", "reservation"),
    "VirtualDiskFlatVer2BackingInfo": (
        *_FILE, "diskMode", "split", "writeThrough", "thinProvisioned", "eagerlyScrub", "uuid", "contentId",
        "changeId", "parent",
    ),
    "VirtualCdrom": _DEVICE,
    "VirtualCdromIsoBackingInfo": _FILE,
    "VirtualCdromAtapiBackingInfo": _HOST_DEVICE,
    "VirtualCdromPassthroughBackingInfo": (*_HOST_DEVICE, "exclusive"),
    "VirtualCdromRemotePassthroughBackingInfo": (*_HOST_DEVICE, "exclusive"),
    "VirtualFloppy": _DEVICE,
    "VirtualFloppyImageBackingInfo": _FILE,
    "VirtualFloppyDeviceBackingInfo": _HOST_DEVICE,
    "VirtualFloppyRemoteDeviceBackingInfo": _HOST_DEVICE,
    "VirtualE1000": _CARD,
    "VirtualE1000e": _CARD,
    "VirtualVmxnet": _CARD,
    "VirtualVmxnet2": _CARD,
    "VirtualVmxnet3": _CARD,
    "VirtualPCNet32": _CARD,
    "VirtualEthernetCardNetworkBackingInfo": (*_HOST_DEVICE, "network", "inPassthroughMode"),
    "VirtualEthernetCardDistributedVirtualPortBackingInfo": ("port",),
    "DistributedVirtualSwitchPortConnection": ("switchUuid", "portgroupKey", "portKey", "connectionCookie"),
    "VirtualSerialPort": (*_DEVICE, "yieldOnPoll"),
    "VirtualSerialPortDeviceBackingInfo": _HOST_DEVICE,
    "VirtualSerialPortFileBackingInfo": _FILE,
    "VirtualSerialPortPipeBackingInfo": (*_PIPE, "endpoint", "noRxLoss"),
    "VirtualSerialPortURIBackingInfo": _URI,
    "VirtualParallelPort": _DEVICE,
    "VirtualParallelPortDeviceBackingInfo": _HOST_DEVICE,
    "VirtualParallelPortFileBackingInfo": _FILE,
    "VirtualMachineVideoCard": (
        *_DEVICE, "videoRamSizeInKB", "numDisplays", "useAutoDetect", "enable3DSupport", "use3dRenderer",
        "graphicsMemorySizeInKB",
    ),
    # The property collector, views and events.
    "PropertyFilterSpec": ("propSet", "objectSet", "reportMissingObjectsInResults"),
    "PropertySpec": ("type", "all", "pathSet"),
    "ObjectSpec": ("obj", "skip", "selectSet"),
    "TraversalSpec": ("name", "type", "path", "skip", "selectSet"),
    "SelectionSpec": ("name",),
    "RetrieveOptions": ("maxObjects",),
    "WaitOptions": ("maxWaitSeconds", "maxObjectUpdates"),
    "EventFilterSpec": (
        "entity", "time", "userName", "eventChainId", "alarm", "scheduledTask", "disableFullMessage", "category",
        "type", "tag", "eventTypeId", "maxCount",
    ),
    "EventFilterSpecByEntity": ("entity", "recursion"),
    "EventFilterSpecByTime": ("beginTime", "endTime"),
    "UsbScanCodeSpec": ("keyEvents",),
    "UsbScanCodeSpecKeyEvent": ("usbHidCode", "modifiers"),
    "UsbScanCodeSpecModifierType": (
        "leftControl", "leftShift", "leftAlt", "leftGui", "rightControl", "rightShift", "rightAlt", "rightGui",
    ),
    # Statistics and datastores.
    "PerfQuerySpec": ("entity", "startTime", "endTime", "maxSample", "metricId", "intervalId", "format"),
    "PerfMetricId": ("counterId", "instance"),
    "HostDatastoreBrowserSearchSpec": ("query", "details", "searchCaseInsensitive", "matchPattern", "sortFoldersFirst"),
    "VmDiskFileQuery": ("filter", "details"),
    "IsoImageFileQuery": (),
    "FloppyImageFileQuery": (),
    "VmDiskFileQueryFlags": ("diskType", "capacityKb", "hardwareVersion", "controllerType", "diskExtents", "thin"),
    "FileQueryFlags": ("fileType", "fileSize", "modification", "fileOwner"),
}  # fmt: skip
