package main

import (
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// refusal is what a real host answers to a request that the simulator would accept; nil where it may pass.
func refusal(method *simulator.Method) interface{} {
	switch request := method.Body.(type) {
	case *types.CreateVM_Task:
		if fault := duplicate(request.This, request.Config.Name, nil); fault != nil {
			return fault
		}
		return checkConfig(nil, &request.Config)
	case *types.CloneVM_Task:
		return duplicate(request.Folder, request.Name, nil)
	case *types.Rename_Task:
		if vm := find(request.This); vm != nil && vm.Parent != nil {
			return duplicate(*vm.Parent, request.NewName, &vm.Self)
		}
	case *types.ReconfigVM_Task:
		return checkReconfigure(find(request.This), &request.Spec)
	case *types.SuspendVM_Task:
		return needs(find(request.This), types.VirtualMachinePowerStatePoweredOn)
	case *types.ResetVM_Task:
		return needs(find(request.This), types.VirtualMachinePowerStatePoweredOn)
	case *types.ShutdownGuest:
		return needsTools(find(request.This))
	case *types.RebootGuest:
		return needsTools(find(request.This))
	case *types.Destroy_Task:
		if vm := find(request.This); vm != nil {
			return needs(vm, types.VirtualMachinePowerStatePoweredOff)
		}
	case *types.CreateSnapshot_Task:
		if request.Name == "" {
			return &types.InvalidName{Name: request.Name}
		}
	}
	return nil
}

func duplicate(folder reference, name string, but *reference) interface{} {
	if name == "" || len(name) > 80 {
		return &types.InvalidName{Name: name}
	}
	for _, vm := range all() {
		if vm.Parent != nil && *vm.Parent == folder && vm.Name == name && (but == nil || *but != vm.Self) {
			return &types.DuplicateName{Name: name, Object: vm.Self}
		}
	}
	return nil
}

func needs(vm *machine, state types.VirtualMachinePowerState) interface{} {
	if vm == nil {
		return nil
	}
	have := vm.Runtime.PowerState
	if have == state || (state == types.VirtualMachinePowerStatePoweredOff && have == types.VirtualMachinePowerStateSuspended) {
		return nil
	}
	return &types.InvalidPowerState{RequestedState: state, ExistingState: have}
}

func needsTools(vm *machine) interface{} {
	if vm == nil {
		return nil
	}
	if fault := needs(vm, types.VirtualMachinePowerStatePoweredOn); fault != nil {
		return fault
	}
	if vm.Guest == nil || vm.Guest.ToolsRunningStatus != running {
		return &types.ToolsUnavailable{}
	}
	return nil
}

func checkReconfigure(vm *machine, spec *types.VirtualMachineConfigSpec) interface{} {
	if vm == nil {
		return nil
	}
	if spec.ChangeVersion != "" && spec.ChangeVersion != vm.Config.ChangeVersion {
		return &types.ConcurrentAccess{}
	}
	if spec.Name != "" && vm.Parent != nil && spec.Name != vm.Name {
		if fault := duplicate(*vm.Parent, spec.Name, &vm.Self); fault != nil {
			return fault
		}
	}
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
		if fault := checkLive(vm, spec); fault != nil {
			return fault
		}
	}
	return checkConfig(vm, spec)
}

// checkLive refuses what only a machine that is off can be changed to.
func checkLive(vm *machine, spec *types.VirtualMachineConfigSpec) interface{} {
	wrong := &types.InvalidPowerState{
		RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: vm.Runtime.PowerState,
	}
	if spec.NumCPUs != 0 && spec.NumCPUs != vm.Config.Hardware.NumCPU {
		if vm.Config.CpuHotAddEnabled == nil || !*vm.Config.CpuHotAddEnabled || spec.NumCPUs < vm.Config.Hardware.NumCPU {
			return &types.CpuHotPlugNotSupported{}
		}
	}
	if spec.MemoryMB != 0 && spec.MemoryMB != int64(vm.Config.Hardware.MemoryMB) {
		if vm.Config.MemoryHotAddEnabled == nil || !*vm.Config.MemoryHotAddEnabled {
			return &types.MemoryHotPlugNotSupported{}
		}
		if spec.MemoryMB < int64(vm.Config.Hardware.MemoryMB) {
			return &types.MemoryHotPlugNotSupported{}
		}
	}
	if spec.Uuid != "" && spec.Uuid != vm.Config.Uuid || spec.GuestId != "" && spec.GuestId != vm.Config.GuestId ||
		spec.Firmware != "" && spec.Firmware != vm.Config.Firmware {
		return wrong
	}
	for _, change := range spec.DeviceChange {
		one := change.GetVirtualDeviceConfigSpec()
		if one.Operation == types.VirtualDeviceConfigSpecOperationEdit {
			continue
		}
		switch device := one.Device.(type) {
		case *types.VirtualCdrom, *types.VirtualFloppy, *types.VirtualSerialPort, *types.VirtualParallelPort:
			return wrong
		case *types.VirtualDisk:
			for _, other := range vm.Config.Hardware.Device {
				if _, ide := other.(*types.VirtualIDEController); ide &&
					other.GetVirtualDevice().Key == device.ControllerKey {
					return wrong
				}
			}
		}
	}
	return nil
}

// checkConfig refuses configurations that no host takes.
func checkConfig(vm *machine, spec *types.VirtualMachineConfigSpec) interface{} {
	if spec.MemoryMB < 0 || spec.MemoryMB%4 != 0 || (vm == nil && spec.MemoryMB == 0) {
		return &types.InvalidArgument{InvalidProperty: "configSpec.memoryMB"}
	}
	if spec.NumCPUs < 0 || spec.NumCPUs > 128 {
		return &types.InvalidArgument{InvalidProperty: "configSpec.numCPUs"}
	}
	if vm == nil && (spec.Files == nil || !strings.HasPrefix(spec.Files.VmPathName, "[")) {
		return &types.InvalidArgument{InvalidProperty: "configSpec.files.vmPathName"}
	}
	keys := map[int32]bool{}
	if vm != nil {
		for _, device := range vm.Config.Hardware.Device {
			keys[device.GetVirtualDevice().Key] = true
		}
	} else {
		for _, key := range []int32{100, 200, 201, 300, 400, 500} {
			keys[key] = true
		}
	}
	for index, change := range spec.DeviceChange {
		one := change.GetVirtualDeviceConfigSpec()
		device := one.Device.GetVirtualDevice()
		invalid := &types.InvalidDeviceSpec{DeviceIndex: int32(index)}
		if one.Operation == types.VirtualDeviceConfigSpecOperationAdd {
			if device.ControllerKey != 0 && !keys[device.ControllerKey] {
				return invalid
			}
			keys[device.Key] = true
		} else if !keys[device.Key] {
			return invalid
		}
		if fault := checkBacking(vm, one, int32(index)); fault != nil {
			return fault
		}
	}
	return nil
}

// checkBacking refuses cards on networks that there are not.
func checkBacking(vm *machine, one *types.VirtualDeviceConfigSpec, index int32) interface{} {
	if one.Operation == types.VirtualDeviceConfigSpecOperationRemove {
		return nil
	}
	backing, ok := one.Device.GetVirtualDevice().Backing.(*types.VirtualEthernetCardNetworkBackingInfo)
	if !ok {
		return nil
	}
	for _, entity := range simulator.Map.All("Network") {
		if network, ok := entity.(*mo.Network); ok && network.Name == backing.DeviceName {
			return nil
		}
	}
	return &types.InvalidDeviceBacking{InvalidDeviceSpec: types.InvalidDeviceSpec{DeviceIndex: index}}
}
