package commands

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/test/program"
)

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// A fleetLife is one run of the fleet.
type fleetLife struct {
	*process
	link, temporary string
	family          []being
}

var processLine = regexp.MustCompile(`(?m)^  (\w+) +process (\d+)`)

func runFleet(t *testing.T, data string, more ...string) *fleetLife {
	t.Helper()
	l := &fleetLife{temporary: short(t)}
	l.process = start(t, l.temporary, append([]string{"fleet", "--data", data, "--listen", "127.0.0.1:0"}, more...)...)
	said, up := l.mayStart(t, `is up in ([0-9.]+) s[\s\S]+?(http://\S+/link/\S+)`)
	if !up && strings.Contains(l.out.String(), fleet.ErrMissing.Error()) && os.Getenv("CI") != "true" {
		t.Skip(l.out.String())
	}
	if !up {
		t.Fatalf("it ended with %d:\n%s", l.command.ProcessState.ExitCode(), l.out.String())
	}
	t.Logf("up in %s s", said[1])
	l.link = said[2]

	l.family = descendants(l.command.Process.Pid)
	var names []string
	pids := map[string]bool{}
	for _, line := range processLine.FindAllStringSubmatch(l.out.String(), -1) {
		names, pids[line[2]] = append(names, line[1]), true
		if !slices.ContainsFunc(l.family, func(one being) bool { return strconv.Itoa(one.pid) == line[2] }) {
			t.Errorf("%s is said to be process %s, which is no child", line[1], line[2])
		}
	}
	if want := append(fleet.Servers(), fleet.Services()...); !slices.Equal(names, want) || len(pids) != len(want) {
		t.Errorf("%d processes of %v, want one each of %v", len(pids), names, want)
	}
	return l
}

func (l *fleetLife) ends(t *testing.T, data string) {
	t.Helper()
	l.family = append(l.family, descendants(l.command.Process.Pid)...) // and those that came since
	if code := l.interrupt(t); code != done || !strings.Contains(l.out.String(), "Stopped.") {
		t.Errorf("interrupted: exit %d\n%s", code, l.out.String())
	}
	program.Until(t, fmt.Sprintf("none of %d processes is left", len(l.family)), func() bool { return len(alive(l.family)) == 0 })
	if left := leftovers(t, l.temporary, data); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAFleetIsRunStoppedAndGoesOn(t *testing.T) {
	t.Parallel()
	set, err := mailbox.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	all := len(set.Mails)
	data := filepath.Join(short(t), "data")
	first := runFleet(t, data)
	said := first.says(t, fmt.Sprintf(`All %d mails are [^\n]+ after ([0-9.]+) s`, all))
	t.Logf("done with %d mails in %s s", all, said[1])
	stored := awaitTickets(t, program.SignIn(t, first.link), all)
	if len(stored) != all {
		t.Fatalf("%d tickets of %d mails", len(stored), all)
	}
	t.Run("a second one in its folder is refused", func(t *testing.T) {
		out, complaint, code := typed(t, "", "fleet", "--data", data, "--listen", "127.0.0.1:0")
		if code != failed || !strings.Contains(complaint, "another fleet runs there") || out != "" {
			t.Errorf("exit %d: %s%s", code, out, complaint)
		}
	})
	first.ends(t, data)

	second := runFleet(t, data)
	second.says(t, fmt.Sprintf(`(?m)^%d mails are here from before\.`, all))
	if again := awaitTickets(t, program.SignIn(t, second.link), all); !slices.Equal(again, stored) {
		t.Errorf("the tickets of the second run are %v, and were %v", again, stored)
	}
	second.ends(t, data)
	if told := regexp.MustCompile(`(?m)^ *[0-9.]+s  .*`).FindAllString(second.out.String(), -1); len(told) > 0 {
		t.Errorf("mails are told as new: %v", told)
	}

	third := runFleet(t, data, "--clock-offset", "31d")
	third.says(t, `the certificate is in the desk, under Retention`)
	somebody := program.SignIn(t, third.link)
	program.Until(t, "every original is destroyed and certified", func() bool {
		return strings.Count(third.out.String(), "original destroyed") == all && certificateLink.MatchString(somebody.Opened(t, "/retention"))
	})
	if again := awaitTickets(t, somebody, all); !slices.Equal(again, stored) {
		t.Errorf("the tickets of the run with moved clocks are %v, and were %v", again, stored)
	}
	third.ends(t, data)
}
