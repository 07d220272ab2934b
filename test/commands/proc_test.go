package commands

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A being is a process, as nothing else is: ids are used again.
type being struct {
	pid, parent int
	state, born string
}

// look reads /proc/<pid>/stat (proc_pid_stat(5)); false where there is no such process.
func look(pid int) (being, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	at := strings.LastIndex(string(text), ") ") // the name before may hold anything
	if err != nil || at < 0 {
		return being{}, false
	}
	fields := strings.Fields(string(text[at+2:])) // from the third on
	if len(fields) < 20 {
		return being{}, false
	}
	parent, err := strconv.Atoi(fields[1])
	return being{pid, parent, fields[0], fields[19]}, err == nil
}

// descendants are the children of a process, theirs, and so on.
func descendants(of int) (found []being) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []being
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			if one, there := look(pid); there {
				all = append(all, one)
			}
		}
	}
	family := []int{of}
	for i := 0; i < len(family); i++ {
		for _, one := range all {
			if one.parent == family[i] && !slices.Contains(family, one.pid) {
				family, found = append(family, one.pid), append(found, one)
			}
		}
	}
	return found
}

// alive are those of them that still run; the dead whom nobody has buried do not.
func alive(beings []being) (left []int) {
	for _, one := range beings {
		if now, there := look(one.pid); there && now.born == one.born && now.state != "Z" && now.state != "X" {
			left = append(left, one.pid)
		}
	}
	return left
}

// processRoom is the namespace of processes that one is in (pid_namespaces(7)).
func processRoom(pid int) (string, error) { return os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)) }
