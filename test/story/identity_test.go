package story

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// identities asserts that every service is one process with one nkey: by its folder, by
// the process table, and by what the bus says of who is connected from where.
func identities(t *testing.T, f *fleet.Fleet) {
	pids, nkeys := map[int]string{}, map[string]string{}
	for _, name := range fleet.Services() {
		pid := f.PID(name)
		if other, taken := pids[pid]; taken || pid == 0 || pid == os.Getpid() {
			t.Errorf("%s is process %d, as is %q", name, pid, other)
		}
		pids[pid] = name
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Split(strings.TrimRight(string(command), "\x00"), "\x00")
		if last := words[len(words)-1]; last != name || words[1] != "run" {
			t.Errorf("%s runs %q", name, words[1:])
		}
		folder := filepath.Join(f.Folder(name), "nkeys")
		seeds, err := filepath.Glob(filepath.Join(folder, "*.seed"))
		if err != nil || len(seeds) != 1 || filepath.Base(seeds[0]) != name+".seed" {
			t.Errorf("%s has the seeds %q: %v", name, seeds, err)
		}
		public, err := wiring.PublicNkeys(folder)
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := nkeys[public[name]]; taken || public[name] == "" {
			t.Errorf("%s has the nkey of %q", name, other)
		}
		nkeys[public[name]] = name
	}

	connected := map[string]bool{}
	for _, connection := range connections(t, f) {
		name, known := nkeys[connection.User]
		if !known {
			t.Errorf("somebody else is connected to the bus, as %q", connection.User)
			continue
		}
		connected[name] = true
		if os.Geteuid() != 0 {
			continue // only root may see whose connection it is: the processes keep others out
		}
		if pid := owner(t, slices.Collect(maps.Keys(pids)), connection.Port); pid != f.PID(name) {
			t.Errorf("process %d (%s) is connected with the nkey of %s", pid, pids[pid], name)
		}
	}
	if len(connected) != len(fleet.Services()) {
		t.Errorf("only %v are connected to the bus", slices.Sorted(maps.Keys(connected)))
	}
}

type connection struct {
	Port int    `json:"port"`
	User string `json:"authorized_user"`
}

func connections(t *testing.T, f *fleet.Fleet) []connection {
	t.Helper()
	response, err := http.Get(f.NATSMonitor() + "/connz?auth=1&limit=1000")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Connections []connection `json:"connections"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.Connections
}

// owner finds which of some processes holds the TCP connection from a local port: by the
// socket's number in /proc/net/tcp and among the process's open files. (proc(5))
func owner(t *testing.T, pids []int, port int) int {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	socket := ""
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) > 9 && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
			socket = "socket:[" + fields[9] + "]"
		}
	}
	for _, pid := range pids {
		open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range open {
			if target, err := os.Readlink(file); err == nil && target == socket {
				return pid
			}
		}
	}
	return 0
}
