// Package smalldisk gives tests a disk that is soon full.
package smalldisk

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Mount mounts a disk of so many bytes at a folder, until the test ends. Only a process that has
// CAP_SYS_ADMIN may: whether this one has is asked of the kernel. One that has it not truly cannot, and
// is skipped; one that has it and fails is a failure where CI=true.
func Mount(t testing.TB, folder string, size int64) {
	t.Helper()
	may, err := mayMount()
	if err != nil {
		t.Fatal(err)
	}
	if !may {
		t.Skip("this process may mount nothing: it has no CAP_SYS_ADMIN; run the test as root")
	}
	if err := unix.Mount("postern-test", folder, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("cannot mount a small disk with CAP_SYS_ADMIN: %v", err)
		}
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(folder, unix.MNT_DETACH) })
}

// mayMount reads the effective capabilities of this process (capabilities(7), proc(5)).
func mayMount() (bool, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(status)) {
		if set, found := strings.CutPrefix(line, "CapEff:"); found {
			bits, err := strconv.ParseUint(strings.TrimSpace(set), 16, 64)
			return bits&(1<<unix.CAP_SYS_ADMIN) != 0, err
		}
	}
	return false, errors.New("proc tells nothing of capabilities")
}
