package ingest

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// errPanicked says that work panicked. What was thrown may quote a mail, so it is not
// repeated: the runtime would print it where the log goes.
var errPanicked = errors.New("work panicked")

// caught turns a panic into an error that names its place. It is deferred by all that has
// a mail in hand.
func caught(err *error) {
	if recover() != nil {
		*err = fmt.Errorf("%w at %s", errPanicked, panicSite())
	}
}

// panicSite names the functions and lines that a panic passed, innermost first, without
// their arguments.
func panicSite() string {
	var counters [32]uintptr
	frames := runtime.CallersFrames(counters[:runtime.Callers(3, counters[:])])
	var sites []string
	for len(sites) < 8 {
		frame, more := frames.Next()
		if frame.Function != "" && !strings.HasPrefix(frame.Function, "runtime.") {
			sites = append(sites, fmt.Sprintf("%s:%d", frame.Function, frame.Line))
		}
		if !more {
			break
		}
	}
	return strings.Join(sites, " < ")
}
