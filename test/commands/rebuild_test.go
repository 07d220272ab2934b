package commands

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus/topology"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/test/program"
)

// refilled are the streams that come back; the others hold what is said anew.
var refilled = []string{"ITEMS", "TICKETS", "RETENTION", "AUDIT", "CHECKPOINTS"}

// It goes the way of an operator whose bus has lost its disk, and whose keyring and bucket
// are as they were: setup, rebuild, start.
func TestRebuildRefillsARealBusFromARealBucket(t *testing.T) {
	t.Parallel()
	set, err := mailbox.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f := program.Fleet(t, fleet.Options{Zone: set.Zone, TrustMX: []string{mailbox.TrustedMX}, Log: t.Output()})
	t.Cleanup(func() {
		for _, name := range fleet.Services() {
			program.Complain(t, f.LogFile(name))
		}
	})
	receive(t, f, set.Mails...)
	before := settled(t, f, len(set.Mails))
	somebody := program.SignIn(t, link(t, f))
	stored := awaitTickets(t, somebody, len(set.Mails))
	looker := program.As(t, f, topology.Rebuild)
	program.Until(t, "the journal holds every record and ticket", func() bool { return journalled(t, looker) })

	rebuild := func() (string, string, int) { return typed(t, "", "rebuild", "--config", f.ConfigFile("rebuild")) }
	f.StopServices()
	if out, complaint, code := rebuild(); code != failed || !strings.Contains(complaint, "no stream was lost") {
		t.Errorf("with nothing lost: exit %d: %s%s", code, out, complaint)
	}
	ctx := program.Context(t)
	streams := filepath.Join(f.Folder("nats"), "store")
	if err := f.KillServerWhile(ctx, "nats", func() error { return os.RemoveAll(streams) }); err != nil {
		t.Fatal(err)
	}
	if out, complaint, code := rebuild(); code != failed || out != "" || complaint == "" {
		t.Errorf("before setup: exit %d: %s%s", code, out, complaint)
	}
	if _, err := f.Command(ctx, "setup", "setup"); err != nil {
		t.Fatal(err)
	}

	// A keyring on empty streams would take every mail for a new one. It waits and says for what.
	p := start(t, short(t), "run", "--config", f.ConfigFile("keyring"), "keyring")
	p.says(t, `stream was lost and must be rebuilt`)
	if code := p.interrupt(t); code != done {
		t.Errorf("a keyring that waits, interrupted: exit %d\n%s", code, p.out.String())
	}

	out, complaint, code := rebuild()
	if code != done {
		t.Fatalf("exit %d: %s%s", code, out, complaint)
	}
	for _, stream := range refilled {
		if stream == "RETENTION" {
			continue // nothing was due yet
		}
		if !regexp.MustCompile(`(?m)^` + stream + ` +[1-9][0-9]* messages from [1-9]`).MatchString(out) {
			t.Errorf("nothing is said of %s:\n%s", stream, out)
		}
	}
	if out, complaint, code := rebuild(); code != failed || out != "" {
		t.Errorf("a second time: exit %d: %s%s", code, out, complaint)
	}
	f.StartServices()
	if err := f.WaitReady(program.Context(t)); err != nil {
		t.Fatal(err)
	}
	if again := awaitTickets(t, somebody, len(stored)); !slices.Equal(again, stored) {
		t.Errorf("the tickets are %v, and were %v", again, stored)
	}
	same(t, before, settled(t, f, len(set.Mails)))
	for _, ticket := range stored {
		somebody.Opened(t, "/tickets/"+ticket)
	}

	t.Run("mail goes on", func(t *testing.T) {
		again := set.Mails[0].Raw
		receive(t, f, mailbox.Mail{Raw: append([]byte("X-Again: 1\r\n"), again...)})
		records := settled(t, f, len(set.Mails)+1)
		if len(records) != len(set.Mails)+1 {
			t.Errorf("%d records of %d mails: what was read before was read as new", len(records), len(set.Mails)+1)
		}
		if all := awaitTickets(t, somebody, len(stored)+1); len(all) != len(stored)+1 {
			t.Errorf("%d tickets, want %d", len(all), len(stored)+1)
		}
	})
	t.Run("retention goes on", func(t *testing.T) {
		const month = 31 * 24 * time.Hour
		if err := f.Advance(program.Context(t), month); err != nil {
			t.Fatal(err)
		}
		told, err := f.Command(program.Context(t), "retain", "retention", "run", "--wait", "2m")
		if err != nil || !strings.Contains(told, "done: what was due is destroyed and certified") {
			t.Fatal(told, err)
		}
		originals := 0
		for item, record := range settled(t, f, len(set.Mails)+1) {
			for _, layer := range record.GetLayers() {
				due, gone := layer.GetDue().AsTime().Before(time.Now().Add(month)), layer.GetState() == itemv1.LayerState_LAYER_STATE_DESTROYED
				if due != gone {
					t.Errorf("item %s: %v is %v a month later", item, layer.GetKind(), layer.GetState())
				}
				if gone && layer.GetKind() == itemv1.LayerKind_LAYER_KIND_RAW {
					originals++
				}
			}
		}
		if originals != len(set.Mails)+1 {
			t.Errorf("%d originals of %d are destroyed", originals, len(set.Mails)+1)
		}
		var certificate []string
		program.Until(t, "the certificate is there", func() bool {
			certificate = certificateLink.FindStringSubmatch(somebody.Opened(t, "/retention"))
			return certificate != nil
		})
		status, text := somebody.Get(t, "/retention/certificates/"+certificate[1])
		if status != 200 {
			t.Fatalf("the certificate answers %d", status)
		}
		verified(t, []byte(text), filepath.Join(f.Folder("retain"), "keys", "certificate.ed25519.pub"))
		for _, ticket := range stored {
			somebody.Opened(t, "/tickets/"+ticket) // kept for longer
		}
	})
	f.StopServices()
	if out, complaint, code := typed(t, "", "audit", "verify", "--config", f.ConfigFile("audit")); code != done {
		t.Errorf("the audit log: exit %d: %s%s", code, out, complaint)
	}
}

// journalled tells whether the bucket has all records and tickets.
func journalled(t *testing.T, tool *wiring.Tool) bool {
	t.Helper()
	ctx := program.Context(t)
	for _, stream := range []string{topology.Items, topology.Tickets} {
		kept, err := tool.Conn.Kept(ctx, stream)
		if err != nil {
			t.Fatal(err)
		}
		batches, err := archive.Batches(ctx, tool.Vault, stream)
		if err != nil {
			t.Fatal(err)
		}
		if len(batches) == 0 || batches[len(batches)-1].Last < kept.Last {
			return false
		}
	}
	return true
}

// receive has mails come to the mailbox of a fleet.
func receive(t *testing.T, f *fleet.Fleet, mails ...mailbox.Mail) {
	t.Helper()
	var came []fleet.Mail
	for _, mail := range mails {
		came = append(came, fleet.Mail{Raw: mail.Raw, Came: mail.Came})
	}
	if err := f.Append(program.Context(t), came...); err != nil {
		t.Fatal(err)
	}
}

func settled(t *testing.T, f *fleet.Fleet, n int) map[string]*itemv1.Record {
	t.Helper()
	records, err := f.WaitSettled(program.Context(t), n)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func link(t *testing.T, f *fleet.Fleet) string {
	t.Helper()
	link, err := f.Link(program.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// same compares records with what they were: their tickets, their layers and what opens them.
func same(t *testing.T, before, after map[string]*itemv1.Record) {
	t.Helper()
	if len(after) != len(before) {
		t.Errorf("%d records, and there were %d", len(after), len(before))
	}
	for _, item := range slices.Sorted(maps.Keys(before)) {
		was, is := before[item], after[item]
		if is.GetTicket() != was.GetTicket() || is.GetState() != was.GetState() || is.GetUid() != was.GetUid() || len(is.GetLayers()) != len(was.GetLayers()) {
			t.Errorf("item %s: %v with ticket %q, and was %v with %q", item, is.GetState(), is.GetTicket(), was.GetState(), was.GetTicket())
			continue
		}
		for i, layer := range was.GetLayers() {
			if now := is.GetLayers()[i]; now.GetKind() != layer.GetKind() || now.GetObject() != layer.GetObject() || string(now.GetDigest()) != string(layer.GetDigest()) || now.GetState() != layer.GetState() {
				t.Errorf("item %s: its layer %v is another", item, layer.GetKind())
			}
		}
	}
}
