package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	vimxml "github.com/vmware/govmomi/vim25/xml"
)

type machine = simulator.VirtualMachine
type reference = types.ManagedObjectReference

// front stands before the simulator: every request passes it.
type front struct {
	inner  http.Handler
	mu     sync.Mutex
	orders []*order
	hung   map[reference]bool
	tasks  map[reference]chan struct{}
}

func newFront(inner http.Handler) *front {
	return &front{inner: inner, hung: map[reference]bool{}, tasks: map[reference]chan struct{}{}}
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/fake" {
		f.serveControl(w, r)
		return
	}
	if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/sdk") {
		f.inner.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	method, err := simulator.UnmarshalBody(types.TypeFunc(), body)
	if err != nil {
		writeFault(w, "InvalidRequest", err.Error(), nil)
		return
	}
	again := func(w http.ResponseWriter) {
		r.Body = io.NopCloser(bytes.NewReader(body))
		f.inner.ServeHTTP(w, r)
	}
	if f.fail(w, method, again) {
		return
	}
	if fault := refusal(method); fault != nil {
		writeFault(w, name(fault), "", fault)
		return
	}
	if f.handleLacking(w, method, again) {
		return
	}
	again(w)
}

// replay has the simulator answer a request, and gives the task that it answers with.
func replay(again func(http.ResponseWriter)) (*httptest.ResponseRecorder, *simulator.Task) {
	recorder := httptest.NewRecorder()
	again(recorder)
	text := recorder.Body.String()
	at := strings.Index(text, `type="Task">`)
	if at < 0 {
		return recorder, nil
	}
	value := text[at+len(`type="Task">`):]
	value = value[:strings.Index(value, "<")]
	task, _ := simulator.Map.Get(reference{Type: "Task", Value: value}).(*simulator.Task)
	return recorder, task
}

func pass(w http.ResponseWriter, recorder *httptest.ResponseRecorder) {
	for key, values := range recorder.Header() {
		w.Header()[key] = values
	}
	w.WriteHeader(recorder.Code)
	w.Write(recorder.Body.Bytes())
}

const envelope = `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<soapenv:Body>%s</soapenv:Body></soapenv:Envelope>`

func writeAnswer(w http.ResponseWriter, method string, value string) {
	fmt.Fprintf(w, envelope, fmt.Sprintf(`<%sResponse xmlns="urn:vim25">%s</%sResponse>`, method, value, method))
}

func writeTask(w http.ResponseWriter, method string, task reference) {
	writeAnswer(w, method, fmt.Sprintf(`<returnval type="Task">%s</returnval>`, task.Value))
}

func name(fault interface{}) string { return reflect.TypeOf(fault).Elem().Name() }

func writeFault(w http.ResponseWriter, kind string, message string, fault interface{}) {
	var inside bytes.Buffer
	if fault != nil {
		encoder := vimxml.NewEncoder(&inside)
		encoder.EncodeElement(fault, vimxml.StartElement{
			Name: vimxml.Name{Local: kind + "Fault"},
			Attr: []vimxml.Attr{
				{Name: vimxml.Name{Local: "xmlns"}, Value: "urn:vim25"},
				{Name: vimxml.Name{Local: "xsi:type"}, Value: kind},
			},
		})
	} else {
		fmt.Fprintf(&inside, `<%sFault xmlns="urn:vim25" xsi:type="%s"/>`, kind, kind)
	}
	if message == "" {
		message = kind
	}
	var text bytes.Buffer
	xml.EscapeText(&text, []byte(message))
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, envelope, fmt.Sprintf(
		`<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring><detail>%s</detail></soapenv:Fault>`,
		text.String(), inside.String()))
}

func find(ref reference) *machine {
	vm, _ := simulator.Map.Get(ref).(*machine)
	return vm
}

// all gives every machine there is.
func all() []*machine {
	var found []*machine
	for _, entity := range simulator.Map.All("VirtualMachine") {
		if vm, ok := entity.(*machine); ok {
			found = append(found, vm)
		}
	}
	return found
}

// as is who does something that no client asked for.
func as(user string) *simulator.Context {
	return &simulator.Context{
		Context: context.Background(),
		Map:     simulator.Map,
		Session: &simulator.Session{
			UserSession: types.UserSession{UserName: user},
			Registry:    simulator.NewRegistry(),
		},
	}
}

func post(user string, events ...types.BaseEvent) {
	manager := simulator.Map.EventManager()
	ctx := as(user)
	simulator.Map.WithLock(manager, func() {
		for _, event := range events {
			manager.PostEvent(ctx, &types.PostEvent{EventToPost: event})
		}
	})
}

func about(vm *machine) types.VmEvent {
	event := types.VmEvent{}
	event.Vm = &types.VmEventArgument{EntityEventArgument: types.EntityEventArgument{Name: vm.Name}, Vm: vm.Self}
	if vm.Runtime.Host != nil {
		if host, ok := simulator.Map.Get(*vm.Runtime.Host).(*simulator.HostSystem); ok {
			event.Host = &types.HostEventArgument{
				EntityEventArgument: types.EntityEventArgument{Name: host.Name}, Host: host.Self,
			}
		}
	}
	return event
}

func update(vm *machine, changes ...types.PropertyChange) {
	simulator.Map.WithLock(vm, func() { simulator.Map.Update(vm, changes) })
}

func change(name string, value interface{}) types.PropertyChange {
	return types.PropertyChange{Name: name, Val: value}
}

// setBoot says when a machine was powered on; nil where it is off.
func setBoot(vm *machine, at *time.Time) {
	var value interface{}
	if at != nil {
		value = *at
	}
	update(vm, change("runtime.bootTime", value), change("summary.runtime.bootTime", value))
}
