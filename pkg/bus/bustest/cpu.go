package bustest

import (
	"syscall"
	"testing"
	"time"
)

// CPU reports, when what it returns is called, the processor time of this process a
// message. On a busy machine it says more than the time that passed.
func CPU(b *testing.B) (report func()) {
	began := used()
	return func() { b.ReportMetric(float64((used()-began).Nanoseconds())/float64(b.N), "cpu-ns/op") }
}

func used() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
