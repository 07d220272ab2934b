package story

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/test/program"
)

// many is a fleet: each service a process, on real servers.
type many struct {
	fleet *fleet.Fleet
	set   mailbox.Set
}

func newFleet(t *testing.T) *many {
	set, err := mailbox.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w := &many{program.Fleet(t, fleet.Options{Zone: set.Zone, TrustMX: []string{mailbox.TrustedMX}, Log: t.Output()}), set}
	t.Cleanup(func() {
		for _, name := range fleet.Services() {
			program.Complain(t, w.fleet.LogFile(name))
		}
	})
	var mails []fleet.Mail
	for _, mail := range set.Mails {
		mails = append(mails, fleet.Mail{Raw: mail.Raw, Came: mail.Came})
	}
	if err := w.fleet.Append(program.Context(t), mails...); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *many) mails() []mailbox.Mail { return w.set.Mails }

func (w *many) settled(t *testing.T) map[string]*itemv1.Record {
	t.Helper()
	records, err := w.fleet.WaitSettled(program.Context(t), len(w.set.Mails))
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func (w *many) advance(t *testing.T, by time.Duration) {
	t.Helper()
	if err := w.fleet.Advance(program.Context(t), by); err != nil {
		t.Fatal(err)
	}
}

func (w *many) sweep(t *testing.T) {
	t.Helper()
	out, err := w.fleet.Command(program.Context(t), "retain", "retention", "run", "--wait", "2m")
	if err != nil || !strings.Contains(out, "done: what was due is destroyed and certified") {
		t.Fatal(out, err)
	}
}

func (w *many) link(t *testing.T) string {
	t.Helper()
	link, err := w.fleet.Link(program.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func (w *many) vault(t *testing.T) vault.Store {
	t.Helper()
	process, err := w.fleet.Look(program.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Close)
	return process.Vault
}

func (w *many) stored() string { return w.fleet.Folder("s3") }

func (w *many) keyFile(service, name string) string {
	return filepath.Join(w.fleet.Folder(service), "keys", name)
}

func (w *many) rest(*testing.T) string { return w.fleet.ConfigFile("audit") }
