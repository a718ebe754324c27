// Package runtime is what the bindings ask for when memory crosses the border. It stands in the place of the package of that name in the
// crate `wit-bindgen-go`, whose `cabi_realloc` takes memory of Go's: there the collector may begin, which asks for the time, and a module
// that is being handed something may ask for nothing. Here the host writes into memory that the collector does not know, so it may run
// whenever it likes. What lies there is copied (questhost/quest does so) before Reset.
package runtime

import (
	"runtime"
	"unsafe"
)

// Allocate gives memory of Go's for what a function of the host returns.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	// The bindings ask for few bytes, aligned to at most 8.
	at := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	pinner.Pin(at)
	return at
}

// Unpin is called by the bindings of exports.
func Unpin() {}

//go:linkname sbrk runtime.sbrk
func sbrk(n uintptr) unsafe.Pointer

// What the host writes into. Each chunk is at least twice as large as the one before it, so there are never many.
var (
	chunks [32]struct{ at, size, used uintptr }
	count  int
	// Before this package's turn comes the host and the WASI adapter lay down what stays.
	isReady bool
)

func init() { isReady = true }

// What `sbrk` rounds up to anyway.
const chunkMin = 64 << 10

// Reset makes the memory free for the next.
func Reset() {
	for i := range count {
		chunks[i].used = 0
	}
}

func aligned(at, align uintptr) uintptr { return (at + align - 1) &^ (align - 1) }

// Nothing here may take memory of Go's.
//
//go:wasmexport cabi_realloc
func cabiRealloc(before unsafe.Pointer, sizeBefore, align, size uintptr) unsafe.Pointer {
	at := take(align, size)
	if sizeBefore > 0 {
		copy(unsafe.Slice((*byte)(at), size), unsafe.Slice((*byte)(before), sizeBefore))
	}
	return at
}

func take(align, size uintptr) unsafe.Pointer {
	if !isReady {
		return unsafe.Pointer(aligned(uintptr(sbrk(size+align)), align))
	}
	for i := range count {
		chunk := &chunks[i]
		if from := aligned(chunk.at+chunk.used, align); from+size <= chunk.at+chunk.size {
			chunk.used = from + size - chunk.at
			return unsafe.Pointer(from)
		}
	}
	room := max(chunkMin, aligned(size+align, 8))
	if count > 0 {
		room = max(room, 2*chunks[count-1].size)
	}
	made := uintptr(sbrk(room))
	if made == 0 || count == len(chunks) {
		panic("there is no memory for what the host hands over")
	}
	chunks[count].at, chunks[count].size = made, room
	from := aligned(made, align)
	chunks[count].used = from + size - made
	count++
	return unsafe.Pointer(from)
}
