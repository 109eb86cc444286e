package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// order is something that is to go wrong, as often as it says.
type order struct {
	Method string `json:"method"`
	Times  int    `json:"times"`
	// Action is fault, drop (the connection), delay, lose (do it and drop the connection) or slow (the task).
	Action       string `json:"action"`
	Fault        string `json:"fault"`
	Milliseconds int    `json:"milliseconds"`
}

// demand is what a test asks of the front: an order, or something that happens to a machine at once.
type demand struct {
	order
	Play string `json:"play"`
	Uuid string `json:"uuid"`
	Name string `json:"name"`
}

func (f *front) serveControl(w http.ResponseWriter, r *http.Request) {
	var asked demand
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if asked.Play == "" {
		f.mu.Lock()
		f.orders = append(f.orders, &asked.order)
		f.mu.Unlock()
		return
	}
	if asked.Play == "expire" {
		f.expire()
		return
	}
	for _, vm := range all() {
		if vm.Config.Uuid == asked.Uuid || (asked.Uuid == "" && vm.Name == asked.Name) {
			f.play(vm, &asked)
			return
		}
	}
	http.Error(w, "no such machine", http.StatusNotFound)
}

// play is what happens to a machine without any client's asking.
func (f *front) play(vm *machine, asked *demand) {
	switch asked.Play {
	case "die":
		post("", &types.EventEx{
			Event: about(vm).Event, EventTypeId: "esx.problem.vm.kill.unexpected.vmtrack", Severity: "error",
		})
		power(vm, types.VirtualMachinePowerStatePoweredOff, &types.VmPoweredOffEvent{VmEvent: about(vm)}, "")
		setBoot(vm, nil)
	case "power-off":
		power(vm, types.VirtualMachinePowerStatePoweredOff, &types.VmPoweredOffEvent{VmEvent: about(vm)}, "somebody")
		setBoot(vm, nil)
	case "power-on":
		now := time.Now()
		power(vm, types.VirtualMachinePowerStatePoweredOn, &types.VmPoweredOnEvent{VmEvent: about(vm)}, "somebody")
		setBoot(vm, &now)
	case "suspend":
		power(vm, types.VirtualMachinePowerStateSuspended, &types.VmSuspendedEvent{VmEvent: about(vm)}, "somebody")
	case "reset":
		reset(vm, "somebody")
	case "hang":
		f.mu.Lock()
		f.hung[vm.Self] = true
		f.mu.Unlock()
	case "rename":
		post("somebody", &types.VmRenamedEvent{VmEvent: about(vm), OldName: vm.Name, NewName: asked.Name})
		update(vm, change("name", asked.Name), change("config.name", asked.Name))
		newVersion(vm)
	case "annotate":
		update(vm, change("config.annotation", asked.Name))
		newVersion(vm)
	}
}

func power(vm *machine, state types.VirtualMachinePowerState, event types.BaseEvent, user string) {
	post(user, event)
	update(vm, change("runtime.powerState", state), change("summary.runtime.powerState", state))
}

// expire ends every session, as after half an hour of silence.
func (f *front) expire() {
	manager := simulator.Map.SessionManager()
	ctx := as("nobody")
	for _, session := range manager.SessionList {
		manager.TerminateSession(ctx, &types.TerminateSession{SessionId: []string{session.Key}})
	}
}

// next gives the order that a request falls under.
func (f *front) next(method string) *order {
	f.mu.Lock()
	defer f.mu.Unlock()
	for at, one := range f.orders {
		if one.Method == method {
			one.Times--
			if one.Times <= 0 {
				f.orders = append(f.orders[:at], f.orders[at+1:]...)
			}
			return one
		}
	}
	return nil
}

// fail does to a request what was ordered; it says whether the request is answered thereby.
func (f *front) fail(w http.ResponseWriter, method *simulator.Method, again func(http.ResponseWriter)) bool {
	f.mu.Lock()
	hung := f.hung[method.This]
	f.mu.Unlock()
	if hung && method.Name != "PowerOffVM_Task" {
		// Whatever is asked of it is begun and never ends.
		task := simulator.CreateTask(find(method.This), "hung", nil)
		writeTask(w, method.Name, task.Self)
		return true
	}
	one := f.next(method.Name)
	if one == nil {
		return false
	}
	switch one.Action {
	case "fault":
		writeFault(w, one.Fault, fmt.Sprintf("%s was ordered", one.Fault), nil)
	case "drop":
		drop(w)
	case "lose":
		replay(again)
		drop(w)
	case "delay":
		time.Sleep(time.Duration(one.Milliseconds) * time.Millisecond)
		return false
	case "slow":
		writeTask(w, method.Name, f.slowly(method, one.Milliseconds, again))
	}
	return true
}

func drop(w http.ResponseWriter) {
	if hijacker, ok := w.(http.Hijacker); ok {
		if connection, _, err := hijacker.Hijack(); err == nil {
			connection.Close()
		}
	}
}

// slowly begins a task that takes its time, tells how far it is, and can be cancelled.
func (f *front) slowly(method *simulator.Method, milliseconds int, again func(http.ResponseWriter)) reference {
	stop := make(chan struct{})
	vm := find(method.This)
	task := simulator.CreateTask(vm, "slow", func(task *simulator.Task) (types.AnyType, types.BaseMethodFault) {
		for step := 0; step < 10; step++ {
			simulator.Map.Update(task, []types.PropertyChange{change("info.progress", int32(step*10))})
			select {
			case <-stop:
				return nil, &types.RequestCanceled{}
			case <-time.After(time.Duration(milliseconds) * time.Millisecond / 10):
			}
		}
		_, inner := replay(again)
		if inner == nil {
			return nil, &types.NotSupported{}
		}
		if inner.Info.Error != nil {
			return nil, inner.Info.Error.Fault
		}
		return inner.Info.Result, nil
	})
	task.Info.Cancelable = true
	f.mu.Lock()
	f.tasks[task.Self] = stop
	f.mu.Unlock()
	go task.Run()
	return task.Self
}

func (f *front) cancel(w http.ResponseWriter, ref reference) {
	f.mu.Lock()
	stop := f.tasks[ref]
	delete(f.tasks, ref)
	f.mu.Unlock()
	if stop == nil {
		writeFault(w, "InvalidState", "", nil)
		return
	}
	close(stop)
	writeAnswer(w, "CancelTask", "")
}
