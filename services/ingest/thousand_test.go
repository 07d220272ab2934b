package ingest_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// memoryOf reads a number of kilobytes out of what the kernel tells of a process, in bytes.
func memoryOf(t *testing.T, process int, field string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	if err != nil {
		t.Skipf("what a process takes is not told here: %v", err)
	}
	_, rest, found := strings.Cut(string(text), "\n"+field+":")
	var kilobytes int64
	if _, err := fmt.Sscan(rest, &kilobytes); !found || err != nil {
		t.Fatalf("%s: %v", field, err)
	}
	return kilobytes << 10
}

// A process of its own, with leases and cursors on a real bus, signs in to a thousand mailboxes over TLS, takes
// the mail that is in each, and then waits for more. The time is told and not judged: it is the machine's.
func TestAThousandMailboxesInOneProcessStayWithin512MB(t *testing.T) {
	const mailboxes, bound = 1000, 512 << 20
	b := bustest.StartReal(t)
	authority := imaptest.NewAuthority(t)
	script := &imaptest.Script{Validity: 9, Next: 2, Mails: honest(1), Idle: true, ModSeq: 1, Certificate: authority.Issue("127.0.0.1", time.Now().Add(time.Hour))}
	host, port := split(t, script.ServeTLS(t))
	w := &workers{world: newWorld(t), by: map[string]string{}}
	publishKeys(t, b, w.world)
	parent := httptest.NewServer(w)
	t.Cleanup(parent.Close)
	w.order = order{Bus: b.URL, Parent: parent.URL, Host: host, Port: port, CAFile: authority.File, Password: string(secret(t, dovecot.Password)), Seed: b.Seeds["ingest"]}
	for i := range mailboxes {
		w.order.Users = append(w.order.Users, fmt.Sprintf("mailbox-%04d", i))
	}
	began := time.Now()
	process := w.start("one")
	w.until("each mailbox's mail is an item", func() bool { return len(w.records) == mailboxes })
	took := time.Since(began)
	script.Given("IDLE", 2*mailboxes) // all of them, again and again
	peak := memoryOf(t, process.Pid, "VmHWM")
	t.Logf("%d mailboxes signed in and read within %v; memory at most %d MiB, now %d KiB a mailbox", mailboxes, took.Round(time.Millisecond),
		peak>>20, memoryOf(t, process.Pid, "VmRSS")/mailboxes>>10)
	if peak > bound {
		t.Errorf("the process took %d bytes of memory, more than %d", peak, bound)
	}
}
