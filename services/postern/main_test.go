package main

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNoCommandLeavesACoreDump(t *testing.T) {
	if os.Getenv("POSTERN_TEST_START") == "1" {
		if code := start(t.Context(), []string{"version"}, stdio{os.Stdin, os.Stdout, os.Stderr}); code != done {
			t.Fatalf("exit %d", code)
		}
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit.Cur != 0 || limit.Max != 0 {
			t.Errorf("core limit %+v, %v", limit, err)
		}
		if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 0 {
			t.Errorf("dumpable %d, %v", dumpable, err)
		}
		return
	}
	child := exec.Command(os.Args[0], "-test.run", "^TestNoCommandLeavesACoreDump$")
	child.Env = append(os.Environ(), "POSTERN_TEST_START=1")
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
