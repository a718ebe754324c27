package quest

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The collector of Go may ask for the time, and inside of `cabi_realloc` (the host hands something over) a module may ask for nothing: it
// would trap. So it does not begin by itself; it runs at moments that are safe, once enough was allocated.

const allocatedMax = 4 << 20

var (
	allocated = []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	collected uint64
)

func init() { debug.SetGCPercent(-1) }

// collect is called where the quest calls the host, so never inside of `cabi_realloc`.
func collect() {
	metrics.Read(allocated)
	if now := allocated[0].Value.Uint64(); now-collected > allocatedMax {
		runtime.GC()
		collected = now
	}
}

