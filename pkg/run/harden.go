package run

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Harden keeps what is in memory out of files: no core dumps, and no other
// process of the same user may trace this one.
func Harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("core dumps off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("dumpable off: %w", err)
	}
	return nil
}
