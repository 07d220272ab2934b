package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/event"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/retain"
)

const ticketed, asideState, tombstone = itemv1.State_STATE_TICKETED, itemv1.State_STATE_SET_ASIDE, itemv1.State_STATE_TOMBSTONE

func TestAnItemOfTheOneProcessIsErasedByACommandWhileItRuns(t *testing.T) {
	o := newOne(t)
	o.server.Append(mailboxUser, "INBOX", plainMail("first", 500), plainMail("second", 500))
	// Where nothing runs, that is said.
	if code, _, said := o.command("retention", "run"); code != failed || !strings.Contains(said, "no Postern is running on "+filepath.Join(o.dir, "data")) || !strings.Contains(said, "nats.url") {
		t.Errorf("exit %d, %q", code, said)
	}
	o.start()
	records := o.until("both are tickets", inStates(ticketed, ticketed))
	first, second := records[0].GetItem(), records[1].GetItem()

	// The day's intake keys, in which the mails came, live for another day.
	const ahead = 50 * time.Hour
	o.process.Clock.Advance(ahead)
	if code, out, said := o.command("retention", "run"); code != failed || out != "" || !strings.Contains(said, "clock.offset") {
		t.Errorf("by another clock: exit %d, %q, %q", code, out, said)
	}
	o.configure("clock: {offset: 50h}\n")

	// The one is named by its item, by its ticket, and by both, which is one.
	ticket := event.Ticket(second)
	code, out, said := o.command("retention", "hold", ticket, second, "--reason", "case-7")
	if named := "ticket " + ticket + " is item " + second + "\n"; code != done || !strings.HasPrefix(out, named) || !strings.HasSuffix(out, "counts for 1 items\n") {
		t.Fatalf("hold: exit %d, %q, %q", code, out, said)
	}
	hold := regexp.MustCompile(`(?m)^hold (H\S+) counts`).FindStringSubmatch(out)[1]
	unknown := event.Item("support", "INBOX", 1, 999, 0)
	for _, verb := range []string{"hold", "erase"} {
		if code, out, said := o.command("retention", verb, first, unknown, "--reason", "request-7"); code != failed || out != "" || !strings.Contains(said, "there is no such item, and nothing was done: "+unknown) {
			t.Errorf("%s an unknown item: exit %d, %q, %q", verb, code, out, said)
		}
		if code, out, said := o.command("retention", verb, first, "12", "--reason", "request-7"); code != misuse || out != "" || !strings.Contains(said, `"12" is neither the id of an item`) {
			t.Errorf("%s a bad id: exit %d, %q, %q", verb, code, out, said)
		}
		if code, out, said := o.command("retention", verb, event.Ticket(first), event.Ticket(unknown), "--reason", "request-7"); code != failed || out != "" || !strings.Contains(said, "there is no such ticket, and nothing was done: "+event.Ticket(unknown)) {
			t.Errorf("%s an unknown ticket: exit %d, %q, %q", verb, code, out, said)
		}
	}
	if code, _, said := o.command("retention", "erase", second, "--reason", "request-7"); code != failed || !strings.Contains(said, "lift the hold first") {
		t.Errorf("erasing what is held: exit %d, %q", code, said)
	}
	if code, out, said := o.command("retention", "release", hold, ticket, "--reason", "case-7-closed"); code != done || !strings.Contains(out, "released from 1 items") {
		t.Errorf("release: exit %d, %q, %q", code, out, said)
	}

	code, out, said = o.command("retention", "erase", event.Ticket(first), "--reason", "request-7", "--wait", "3m")
	if code != done || !strings.Contains(out, "key packets removed") || !strings.Contains(out, "done: what was due is destroyed and certified") {
		t.Fatalf("erase: exit %d, %q, %q", code, out, said)
	}
	plan := regexp.MustCompile(`erasure P(\S+):`).FindStringSubmatch(out)
	if plan == nil {
		t.Fatalf("the erasure has no name: %q", out)
	}
	body, _, err := o.process.Vault.Get(t.Context(), retain.CertificateObject("C"+plan[1]))
	if err != nil {
		t.Fatal(err)
	}
	document, err := io.ReadAll(body)
	certificate := filepath.Join(t.TempDir(), "certificate.json")
	if err := errors.Join(err, body.Close(), os.WriteFile(certificate, document, 0o600)); err != nil {
		t.Fatal(err)
	}
	// The one who erased is the one who certified: it knows what there was to erase.
	if text := string(document); !strings.Contains(text, `"cause":"erasure"`) || !strings.Contains(text, `"ciphertext":"gone","versions":1`) {
		t.Errorf("certificate %s", text)
	}
	if code, out, said := typed(t, "", "certificate", "verify", certificate, "--item", first, "--key", filepath.Join(o.dir, "data", "keys", "certificate.ed25519.pub")); code != done || !strings.Contains(out, "good, signed by key") {
		t.Errorf("certificate: exit %d, %q, %q", code, out, said)
	}
	o.until("the one is gone and the other is not", inStates(tombstone, ticketed))

	// The log of all that is verified while it goes on.
	if code, out, said := o.command("audit", "verify"); code != done || !strings.Contains(out, "the audit log is whole") {
		t.Errorf("audit: exit %d, %q, %q", code, out, said)
	}
	o.stop()
	if entries, err := os.ReadDir(filepath.Join(o.dir, "data", "run")); err != nil || len(entries) > 0 {
		t.Errorf("after the end there are %v, %v", entries, err)
	}
	if code, out, said := o.command("audit", "verify"); code != done || !strings.Contains(out, "the audit log is whole") {
		t.Errorf("audit after the end: exit %d, %q, %q", code, out, said)
	}
}
