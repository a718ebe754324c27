package quest

import (
	"runtime"
	"unsafe"
)

// What the host asks of a module (interface `guest`). Pointers of the host have 32 bits, those of Go in wasm 64.

// An error as the host reads it: whether there is one, then where code and message are, and how long.
var area [5]uint32

// Until the host has read it.
var (
	told   Error
	pinned runtime.Pinner
)

func answer(failure *Error) uintptr {
	area[0] = 0
	if failure != nil {
		told = *failure
		code, message := unsafe.Pointer(unsafe.StringData(told.Code)), unsafe.Pointer(unsafe.StringData(told.Message))
		pinned.Pin(code)
		pinned.Pin(message)
		area = [5]uint32{1, uint32(uintptr(code)), uint32(len(told.Code)), uint32(uintptr(message)), uint32(len(told.Message))}
	}
	return uintptr(unsafe.Pointer(&area))
}

//go:wasmexport quest:host/guest@0.1.0#define
func exportDefine() uintptr { return answer(ended(define)) }

//go:wasmexport quest:host/guest@0.1.0#init
func exportInit() uintptr { return answer(ended(func() error { return perform("init") })) }

//go:wasmexport quest:host/guest@0.1.0#perform
func exportPerform(at uintptr, size uint32) uintptr {
	action := text(unsafe.String((*byte)(unsafe.Pointer(at)), size))
	return answer(ended(func() error { return perform(action) }))
}

//go:wasmexport cabi_post_quest:host/guest@0.1.0#define
func exportDefineEnd(uintptr) { pinned.Unpin() }

//go:wasmexport cabi_post_quest:host/guest@0.1.0#init
func exportInitEnd(uintptr) { pinned.Unpin() }

//go:wasmexport cabi_post_quest:host/guest@0.1.0#perform
func exportPerformEnd(uintptr) { pinned.Unpin() }
