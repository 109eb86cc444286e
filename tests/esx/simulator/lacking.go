package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const running = string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
const notRunning = string(types.VirtualMachineToolsRunningStatusGuestToolsNotRunning)

// A machine whose name ends so has a guest that is asked in vain.
const deaf = ".deaf"

// completeAll gives the machines that were there from the start what the simulator left out.
func (f *front) completeAll() {
	for _, vm := range all() {
		complete(vm)
	}
}

func complete(vm *machine) {
	now := time.Now()
	if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
		setBoot(vm, &now)
		setTools(vm, running)
	}
	newVersion(vm)
}

func newVersion(vm *machine) {
	update(vm, change("config.changeVersion", strconv.FormatInt(time.Now().UnixNano(), 36)),
		change("config.modified", time.Now()))
}

func setTools(vm *machine, status string) {
	update(vm, change("guest.toolsRunningStatus", status))
}

// handleLacking does what the simulator does not, or not as a host does; it says whether the request is answered.
func (f *front) handleLacking(w http.ResponseWriter, method *simulator.Method, again func(http.ResponseWriter)) bool {
	switch request := method.Body.(type) {
	case *types.PowerOnVM_Task:
		f.powerOn(w, find(request.This), again)
	case *types.PowerOffVM_Task:
		f.powerOff(w, find(request.This), again)
	case *types.SuspendVM_Task:
		f.suspend(w, find(request.This), again)
	case *types.ResetVM_Task:
		vm := find(request.This)
		writeTask(w, method.Name, run(vm, "reset", func() { reset(vm, "user") }))
	case *types.ShutdownGuest:
		if vm := find(request.This); vm != nil && strings.HasSuffix(vm.Name, deaf) {
			writeAnswer(w, method.Name, "")
			return true
		}
		recorder, _ := replay(again)
		if vm := find(request.This); vm != nil && recorder.Code == http.StatusOK {
			setBoot(vm, nil)
			setTools(vm, notRunning)
		}
		pass(w, recorder)
	case *types.RebootGuest:
		rebootGuest(find(request.This))
		writeAnswer(w, method.Name, "")
	case *types.CreateVM_Task, *types.CloneVM_Task, *types.RegisterVM_Task:
		recorder, task := replay(again)
		if task != nil {
			if ref, ok := task.Info.Result.(reference); ok {
				complete(find(ref))
			}
		}
		pass(w, recorder)
	case *types.ReconfigVM_Task:
		recorder, task := replay(again)
		if task != nil && task.Info.State == types.TaskInfoStateSuccess {
			reconfigured(find(request.This), &request.Spec)
		}
		pass(w, recorder)
	case *types.RevertToSnapshot_Task:
		revert(w, request.This, again)
	case *types.RemoveSnapshot_Task:
		f.removeSnapshot(w, request.This, again)
	case *types.PutUsbScanCodes:
		if fault := needs(find(request.This), types.VirtualMachinePowerStatePoweredOn); fault != nil {
			writeFault(w, name(fault), "", fault)
			return true
		}
		writeAnswer(w, method.Name, fmt.Sprintf("<returnval>%d</returnval>", len(request.Spec.KeyEvents)))
	case *types.CreateScreenshot_Task:
		screenshot(w, find(request.This))
	case *types.CancelTask:
		f.cancel(w, request.This)
	default:
		return false
	}
	return true
}

// run does something as a task of a machine, at once.
func run(vm *machine, name string, what func()) reference {
	return simulator.CreateTask(vm, name, func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		what()
		return nil, nil
	}).Run()
}

func (f *front) powerOn(w http.ResponseWriter, vm *machine, again func(http.ResponseWriter)) {
	if vm == nil {
		again(w)
		return
	}
	boot := vm.Runtime.BootTime
	resumed := vm.Runtime.PowerState == types.VirtualMachinePowerStateSuspended
	recorder, task := replay(again)
	if task != nil && task.Info.State == types.TaskInfoStateSuccess {
		if resumed && boot != nil {
			setBoot(vm, boot)
		} else {
			now := time.Now()
			setBoot(vm, &now)
		}
		if !strings.HasSuffix(vm.Name, ".toolless") {
			setTools(vm, running)
		}
	}
	pass(w, recorder)
}

func (f *front) powerOff(w http.ResponseWriter, vm *machine, again func(http.ResponseWriter)) {
	recorder, task := replay(again)
	if vm != nil && task != nil && task.Info.State == types.TaskInfoStateSuccess {
		setBoot(vm, nil)
		setTools(vm, notRunning)
		f.mu.Lock()
		delete(f.hung, vm.Self)
		f.mu.Unlock()
	}
	pass(w, recorder)
}

// A machine that is suspended keeps the time of its boot.
func (f *front) suspend(w http.ResponseWriter, vm *machine, again func(http.ResponseWriter)) {
	if vm == nil {
		again(w)
		return
	}
	boot := vm.Runtime.BootTime
	recorder, _ := replay(again)
	setBoot(vm, boot)
	setTools(vm, notRunning)
	pass(w, recorder)
}

// A reset does not power a machine off.
func reset(vm *machine, user string) {
	post(user, &types.VmResettingEvent{VmEvent: about(vm)})
	setTools(vm, notRunning)
	setTools(vm, running)
}

func rebootGuest(vm *machine) {
	if vm == nil || strings.HasSuffix(vm.Name, deaf) {
		return
	}
	post("user", &types.VmGuestRebootEvent{VmEvent: about(vm)})
	go func() {
		time.Sleep(20 * time.Millisecond)
		setTools(vm, notRunning)
		time.Sleep(300 * time.Millisecond)
		setTools(vm, running)
	}()
}

// reconfigured does what the simulator left out of a new configuration.
func reconfigured(vm *machine, spec *types.VirtualMachineConfigSpec) {
	options := map[string]int{}
	var kept []types.BaseOptionValue
	for _, option := range vm.Config.ExtraConfig {
		value := option.GetOptionValue()
		if at, ok := options[value.Key]; ok {
			kept[at] = option
			continue
		}
		options[value.Key] = len(kept)
		kept = append(kept, option)
	}
	var left []types.BaseOptionValue
	for _, option := range kept {
		// An option that is set to nothing is taken away.
		if option.GetOptionValue().Value != "" {
			left = append(left, option)
		}
	}
	simulator.Map.WithLock(vm, func() {
		vm.Config.ExtraConfig = left
		if spec.Name != "" {
			simulator.Map.Update(vm, []types.PropertyChange{change("name", spec.Name)})
		}
	})
	newVersion(vm)
}

// revert brings back the configuration and the power state that the simulator leaves as they are.
func revert(w http.ResponseWriter, ref reference, again func(http.ResponseWriter)) {
	recorder, task := replay(again)
	snapshot, ok := simulator.Map.Get(ref).(*simulator.VirtualMachineSnapshot)
	if ok && task != nil && task.Info.State == types.TaskInfoStateSuccess {
		vm := find(snapshot.Vm)
		config := snapshot.Config
		state := stateIn(vm, ref)
		simulator.Map.WithLock(vm, func() {
			vm.Config.Hardware = config.Hardware
			vm.Config.ExtraConfig = config.ExtraConfig
			vm.Config.Annotation = config.Annotation
			simulator.Map.Update(vm, []types.PropertyChange{
				change("runtime.powerState", state), change("summary.runtime.powerState", state),
			})
		})
		if state == types.VirtualMachinePowerStatePoweredOff {
			setBoot(vm, nil)
		} else {
			now := time.Now()
			setBoot(vm, &now)
		}
		newVersion(vm)
	}
	pass(w, recorder)
}

// removeSnapshot keeps the simulator from deleting files that are not a snapshot's (it numbers files anew), and says on
// which snapshot a machine stands whose own is gone.
func (f *front) removeSnapshot(w http.ResponseWriter, ref reference, again func(http.ResponseWriter)) {
	snapshot, ok := simulator.Map.Get(ref).(*simulator.VirtualMachineSnapshot)
	if !ok {
		again(w)
		return
	}
	vm := find(snapshot.Vm)
	var parent *reference
	simulator.Map.WithLock(vm, func() {
		vm.LayoutEx.Snapshot = nil
		if vm.Snapshot != nil {
			parent = parentIn(vm.Snapshot.RootSnapshotList, nil, ref)
		}
	})
	recorder, _ := replay(again)
	simulator.Map.WithLock(vm, func() {
		if vm.Snapshot != nil && vm.Snapshot.CurrentSnapshot != nil && stateIn(vm, *vm.Snapshot.CurrentSnapshot) == "" {
			vm.Snapshot.CurrentSnapshot = parent
		}
	})
	pass(w, recorder)
}

func parentIn(tree []types.VirtualMachineSnapshotTree, parent *reference, ref reference) *reference {
	for at := range tree {
		if tree[at].Snapshot == ref {
			return parent
		}
		if found := parentIn(tree[at].ChildSnapshotList, &tree[at].Snapshot, ref); found != nil {
			return found
		}
	}
	return nil
}

func stateIn(vm *machine, ref reference) types.VirtualMachinePowerState {
	var look func(tree []types.VirtualMachineSnapshotTree) types.VirtualMachinePowerState
	look = func(tree []types.VirtualMachineSnapshotTree) types.VirtualMachinePowerState {
		for _, one := range tree {
			if one.Snapshot == ref {
				return one.State
			}
			if state := look(one.ChildSnapshotList); state != "" {
				return state
			}
		}
		return ""
	}
	if vm.Snapshot == nil {
		return vm.Runtime.PowerState
	}
	return look(vm.Snapshot.RootSnapshotList)
}

// screenshot writes a picture beside the machine's files, as a host does, and answers with its name.
func screenshot(w http.ResponseWriter, vm *machine) {
	if vm == nil || vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		state := types.VirtualMachinePowerStatePoweredOff
		writeFault(w, "InvalidPowerState", "", &types.InvalidPowerState{
			RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: state,
		})
		return
	}
	var place object.DatastorePath
	place.FromString(vm.Config.Files.VmPathName)
	place.Path = path.Join(path.Dir(place.Path), vm.Name+"-1.png")
	task := simulator.CreateTask(vm, "createScreenshot",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			var picture bytes.Buffer
			png.Encode(&picture, image.NewGray(image.Rect(0, 0, 640, 480)))
			for _, ref := range vm.Datastore {
				store, ok := simulator.Map.Get(ref).(*simulator.Datastore)
				if ok && store.Name == place.Datastore {
					file := filepath.Join(store.Info.GetDatastoreInfo().Url, place.Path)
					os.WriteFile(file, picture.Bytes(), 0o600)
				}
			}
			return place.String(), nil
		}).Run()
	writeTask(w, "CreateScreenshot_Task", task)
}
