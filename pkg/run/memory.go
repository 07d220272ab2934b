package run

import (
	"os"
	"runtime/debug"
)

// SpendMemory has the garbage collected half as often as Go does by itself: a mail leaves
// much behind and little alive. GOGC in the environment overrules it.
func SpendMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}
