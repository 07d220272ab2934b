package bus_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/bus/topology"
)

// subjects a service could wish to publish to: one of each stream and shape.
var subjects = []string{
	"items.1", "tickets.1", "cursors.1", "mailboxes.1", "keyring.v1.Published", "audit.v1.Checkpoint",
	"mail.v1.Received", "mail.v1.Verified", "mail.v1.Scanned", "mail.v1.Archived", "mail.v1.Sanitized", "mail.v1.SetAside", "mail.v1.Outdated", "mail.v1.Recalled",
	"retention.v1.Planned", "retention.v1.Certified", "retention.v1.Wished", "retention.v1.Dismissed", "items.customer.1",
	"leases.ingest.1", "leases.scan.1", "leases.archive.1", "leases.sanitize.1", "leases.retain.1", "leases.audit.1",
}

// mayPublish is written by hand from the contracts, apart from the topology.
var mayPublish = map[string][]string{
	"ingest":    {"mail.v1.Received", "mail.v1.SetAside", "cursors.1", "mailboxes.1", "leases.ingest.1", "deaths.ingest-after.1"},
	"verify":    {"mail.v1.Verified", "mail.v1.SetAside", "deaths.verify.1"},
	"scan":      {"mail.v1.Scanned", "mail.v1.Outdated", "mail.v1.Recalled", "mail.v1.SetAside", "leases.scan.1", "deaths.scan.1", "deaths.rescan.1"},
	"archive":   {"mail.v1.Archived", "mail.v1.SetAside", "leases.archive.1", "deaths.archive.1"},
	"sanitize":  {"mail.v1.Sanitized", "mail.v1.SetAside", "leases.sanitize.1", "deaths.sanitize.1"},
	"desk":      {"tickets.1", "mail.v1.SetAside", "retention.v1.Wished", "deaths.desk.1", "deaths.recall.1"},
	"retain":    {"retention.v1.Planned", "retention.v1.Certified", "retention.v1.Wished", "retention.v1.Dismissed", "tickets.1", "leases.retain.1"},
	"keyring":   {"items.1", "items.customer.1", "keyring.v1.Published"},
	"audit":     {"audit.v1.Checkpoint", "leases.audit.1"},
	"doctor":    {},
	"setaside":  {},
	"mailbox":   {"cursors.1"},
	"evidence":  {},
	"customers": {"retention.v1.Dismissed"},
	"rebuild":   {"items.1", "items.customer.1", "tickets.1", "retention.v1.Planned", "retention.v1.Certified", "retention.v1.Wished", "retention.v1.Dismissed", "audit.v1.Checkpoint"},
}

var mayAsk = map[string][]string{
	"ingest":    {"register", "setaside", "status"},
	"verify":    {"open.verify", "open.replay", "open.card", "open.directory", "setaside", "status"},
	"scan":      {"open.scan", "open.rescan", "rejudge", "setaside", "status"},
	"archive":   {"file", "journalled", "setaside", "status"},
	"sanitize":  {"layers", "open.sanitize", "setaside", "status"},
	"desk":      {"ticket", "open.read", "open.reveal", "open.breakglass", "hold", "release", "setaside", "retry", "status"},
	"retain":    {"hold", "release", "close", "destroy", "erase", "forget", "attest", "status"},
	"keyring":   {},
	"audit":     {},
	"doctor":    {"status"},
	"rebuild":   {"open.rebuild", "status"},
	"setaside":  {"retry", "status"},
	"mailbox":   {},
	"evidence":  {},
	"customers": {"enrol", "open.customer", "open.directory", "status"},
}

func TestEachCredentialDoesWhatItMayAndNothingElse(t *testing.T) {
	everything := slices.Clone(subjects)
	for _, name := range topology.Names() {
		everything = append(everything, "audit.v1.Entry."+name)
	}
	for _, c := range topology.Consumers {
		everything = append(everything, "deaths."+c.Stage+".1")
	}
	bustest.Each(t, func(t *testing.T, b *bustest.Bus) {
		ctx := bustest.Context(t)
		serve(t, b)
		for _, name := range topology.Names() {
			if name == topology.Setup {
				continue
			}
			t.Run(name, func(t *testing.T) {
				c := b.Connect(t, name)
				if err := c.Check(ctx); err != nil {
					t.Errorf("check: %v", err)
				}
				for _, subject := range everything {
					_, err := c.Publish(ctx, subject, []byte("x"))
					own := subject == "audit.v1.Entry."+name && !slices.Contains([]string{"doctor", "setaside", "mailbox", "evidence", "customers"}, name)
					all := name == "rebuild" && strings.HasPrefix(subject, "audit.v1.Entry.")
					judge(t, "publish "+subject, err, own || all || slices.Contains(mayPublish[name], subject))
				}
				for _, operation := range topology.Operations {
					_, err := c.Request(ctx, "keyring.v1."+operation, nil)
					judge(t, "ask "+operation, err, slices.Contains(mayAsk[name], operation))
				}
				for _, stream := range topology.Streams {
					for _, call := range []string{
						"STREAM.DELETE." + stream.Name, "STREAM.PURGE." + stream.Name, "STREAM.MSG.DELETE." + stream.Name,
						"STREAM.CREATE." + stream.Name, "STREAM.UPDATE." + stream.Name, "STREAM.CREATE.EXTRA",
						"CONSUMER.CREATE." + stream.Name, "CONSUMER.CREATE." + stream.Name + ".extra",
						"CONSUMER.DURABLE.CREATE." + stream.Name + ".extra",
						"CONSUMER.DELETE." + stream.Name + "." + name,
						"STREAM.SNAPSHOT." + stream.Name, "STREAM.RESTORE." + stream.Name,
					} {
						for _, prefix := range []string{"$JS.API.", topology.API} {
							_, err := c.Request(ctx, prefix+call, nil)
							judge(t, prefix+call, err, false)
						}
					}
				}
				service, _ := topology.ServiceNamed(name)
				for _, stream := range topology.Streams {
					_, err := c.Last(ctx, stream.Name, strings.ReplaceAll(stream.Subject, "*", "none"))
					judge(t, "last of "+stream.Name, err, slices.Contains(service.Reads, stream.Name))
				}
				// Nobody hears another's answers, or the keyring's requests but the keyring.
				for _, subject := range []string{">", "_INBOX_desk.>", "_INBOX.>", "items.*", "mail.v1.*", "$JS.>", "keyring.v1.open.read"} {
					s, err := c.Serve(ctx, subject, 1, nil)
					own := name == "keyring" && subject == "keyring.v1.open.read" || name == "desk" && subject == "_INBOX_desk.>"
					judge(t, "subscribe "+subject, err, own)
					if err == nil {
						_ = s.Stop(ctx)
					}
				}
			})
		}
	})
}

// judge takes ErrNoMessage and the answer of a server for allowed: the call got there.
func judge(t *testing.T, what string, err error, allowed bool) {
	t.Helper()
	if denied := errors.Is(err, bus.ErrDenied); denied == allowed {
		t.Errorf("%s: allowed %v, got %v", what, allowed, err)
	}
	if allowed && err != nil && !errors.Is(err, bus.ErrNoMessage) {
		t.Errorf("%s: %v", what, err)
	}
}

// serve answers every operation of the keyring.
func serve(t *testing.T, b *bustest.Bus) {
	keyring := b.Connect(t, "keyring")
	for _, operation := range topology.Operations {
		_, err := keyring.Serve(bustest.Context(t), "keyring.v1."+operation, 4,
			func(context.Context, bus.Request) ([]byte, error) { return []byte("yes"), nil })
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestNobodyCanTakeAnythingOutOfTheAuditStream(t *testing.T) {
	bustest.Each(t, func(t *testing.T, b *bustest.Bus) {
		ctx := bustest.Context(t)
		for _, stream := range []string{topology.Audit, topology.Checkpoints} {
			setup := b.Connect(t, topology.Setup)
			for _, call := range []string{"STREAM.DELETE.", "STREAM.PURGE.", "STREAM.MSG.DELETE.", "STREAM.UPDATE.", "STREAM.RESTORE."} {
				if _, err := setup.Request(ctx, "$JS.API."+call+stream, nil); !errors.Is(err, bus.ErrDenied) {
					t.Errorf("%s%s: %v", call, stream, err)
				}
			}
			answer, err := setup.Request(ctx, "$JS.API.STREAM.INFO."+stream, nil)
			if err != nil || !strings.Contains(string(answer), `"deny_delete":true`) || !strings.Contains(string(answer), `"deny_purge":true`) {
				t.Errorf("%s: %s, %v", stream, answer, err)
			}
		}
		// A message that rolls up all before it, or that vanishes by itself, is refused.
		keyring := b.Connect(t, "keyring")
		for _, header := range []bus.Header{{"Nats-Rollup": {"all"}}, {"Nats-Rollup": {"sub"}}, {"Nats-TTL": {"1s"}}} {
			if _, err := keyring.Publish(ctx, "audit.v1.Entry.keyring", []byte("x"), bus.Headers(header)); err == nil {
				t.Errorf("%v was taken", header)
			}
		}
	})
}

// The server answers a request wherever the request says, without asking whether its
// sender may publish there. So a request that names a record as the place for its answer
// must not reach the record.
func TestAnAnswerCannotBeWrittenIntoAnothersStream(t *testing.T) {
	bustest.Each(t, func(t *testing.T, b *bustest.Bus) {
		ctx := bustest.Context(t)
		keyring, ingest := b.Connect(t, "keyring"), b.Connect(t, "ingest")
		seq, err := keyring.Publish(ctx, "items.1", []byte("the record"))
		if err != nil {
			t.Fatal(err)
		}
		entry, err := keyring.Publish(ctx, "audit.v1.Entry.keyring", []byte("the entry"))
		if err != nil {
			t.Fatal(err)
		}
		scan := b.Raw(t, "scan")
		for _, target := range []string{"items.1", "audit.v1.Entry.keyring", "keyring.v1.destroy"} {
			for _, request := range []struct{ subject, data string }{
				{"mail.v1.Scanned", "forged"},
				{"API.STREAM.INFO.MAIL", ""},
				{"API.CONSUMER.INFO.MAIL.scan", ""},
				{"API.CONSUMER.MSG.NEXT.MAIL.scan", `{"batch":1,"no_wait":true}`},
				{"$JS.ACK.MAIL.scan.1.1.1.1.1", "+NXT"},
				{"keyring.v1.status", ""},
			} {
				if err := scan.PublishRequest(request.subject, target, []byte(request.data)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := scan.Flush(); err != nil {
			t.Fatal(err)
		}
		// A later write of the same connection has been through: so have the answers before it.
		if _, err := scan.Request("mail.v1.SetAside", []byte("x"), 10*time.Second); err != nil {
			t.Fatal(err)
		}
		last, err := ingest.LastFresh(ctx, "ITEMS", "items.1")
		if err != nil || last.Sequence != seq || string(last.Data) != "the record" {
			t.Errorf("the record is now %+v, %v", last, err)
		}
		for msg, err := range b.Connect(t, "audit").Scan(ctx, "AUDIT", entry+1) {
			t.Errorf("an entry was forged: %+v, %v", msg, err)
		}
	})
}
