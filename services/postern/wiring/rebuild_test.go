package wiring_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/signet"
	"github.com/postern-mail/postern/pkg/vault/erase"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/audit"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/keyring"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// journalled waits until the journal has what the streams hold now.
func (r *running) journalled(t *testing.T) {
	t.Helper()
	conn := r.tool(t, "archive").Conn
	want := map[string]bus.Kept{}
	for _, stream := range archive.Journalled {
		kept, err := conn.Kept(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		want[stream] = kept
	}
	until(t, "the journal has everything", func(ctx context.Context) (bool, error) {
		for stream, kept := range want {
			batches, err := archive.Batches(ctx, r.Vault, stream)
			if err != nil {
				return false, err
			}
			var reached uint64
			for _, b := range batches {
				if b.Epoch.Made == kept.Made.UnixMilli() {
					reached = max(reached, b.Last)
				}
			}
			if reached < kept.Last {
				return false, nil
			}
		}
		return true, nil
	})
}

// lose deletes everything that the bus ever stored.
func (w *world) lose(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(w.dir, "nats")); err != nil {
		t.Fatal(err)
	}
}

// rebuild refills lost streams, as the command does.
func (w *world) rebuild(t *testing.T) []wiring.Refill {
	t.Helper()
	p := w.open(t)
	defer p.Close()
	refills, err := p.Rebuild(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return refills
}

// subjects opens the card of every ticket that still has a view, through the keyring, with
// nothing but what the board shows.
func (r *running) subjects(t *testing.T) map[string]string {
	t.Helper()
	rows, err := r.rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opener := r.tool(t, "desk").Opener()
	cards := map[string]string{}
	for ticket, row := range rows {
		for _, layer := range row.Record.GetLayers() {
			if layer.GetKind() != itemv1.LayerKind_LAYER_KIND_VIEW || layer.GetState() != itemv1.LayerState_LAYER_STATE_PRESENT {
				continue
			}
			key, err := opener.Open(t.Context(), open.Ask{Purpose: keys.ForRead, Layer: layer.GetKind(), Item: row.Record.GetItem(), Actor: "test", Ticket: ticket})
			if err != nil {
				t.Errorf("ticket %s: %v", ticket, err)
				continue
			}
			plain, err := packet(t.Context(), r.Process, key, layer, 0)
			key.Clear()
			card := new(contentv1.Card)
			if err == nil {
				err = proto.Unmarshal(plain, card)
			}
			if err != nil {
				t.Errorf("ticket %s: its card: %v", ticket, err)
			}
			cards[ticket] = card.GetSubject()
		}
	}
	return cards
}

// packet decrypts one data packet of a layer.
func packet(ctx context.Context, p *wiring.Process, key *open.Key, layer *itemv1.Layer, n int) ([]byte, error) {
	sealed := layer.GetInline()
	if layer.GetObject() != "" {
		var err error
		if sealed, err = object(ctx, p.Vault, layer.GetObject()); err != nil {
			return nil, err
		}
	}
	from, to := int64(0), layer.GetPacketEnds()[n]
	if n > 0 {
		from = layer.GetPacketEnds()[n-1]
	}
	if to > int64(len(sealed)) || from > to {
		return nil, fmt.Errorf("a packet ends at %d of %d bytes", to, len(sealed))
	}
	return open.Bytes(key.Session, sealed[from:to], 1<<20)
}

// retentions reads RETENTION: the plans and the certificates.
func (r *running) retentions(t *testing.T) (plans, certificates []string) {
	t.Helper()
	for message, err := range r.tool(t, "retain").Conn.Scan(t.Context(), topology.Retention, 1) {
		if err != nil {
			t.Fatal(err)
		}
		_, said, err := event.Open(message.Subject, message.Data)
		if err != nil {
			t.Fatal(err)
		}
		switch e := said.(type) {
		case *retentionv1.Planned:
			plans = append(plans, e.GetPlan())
		case *retentionv1.Certified:
			certificates = append(certificates, e.GetCertificate())
		}
	}
	return plans, certificates
}

// audited verifies the log against every checkpoint, once one covers all that is there now.
func (r *running) audited(t *testing.T) audit.Report {
	t.Helper()
	conn := r.tool(t, "audit").Conn
	key, err := signet.Load(r.Config.Audit.Key)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := conn.Kept(t.Context(), topology.Audit)
	if err != nil {
		t.Fatal(err)
	}
	var report audit.Report
	until(t, "the log is signed to its end", func(ctx context.Context) (bool, error) {
		checkpoints, err := audit.Checkpoints(ctx, conn)
		if err != nil {
			return false, err
		}
		report, err = audit.Verify(audit.Messages(ctx, conn), checkpoints, key.Public().(ed25519.PublicKey))
		return err == nil && report.Signed >= kept.Last, err
	})
	return report
}

// aMonth is when originals have expired and views have not.
const aMonth = 31 * 24 * time.Hour

func TestLostStreamsAreRebuiltFromTheVaultAndTheKeyring(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mails := len(w.box.Mails())
	r := w.start(t)
	records := r.settled(t, mails)

	// People work, something is erased, and something expires.
	status := map[string]string{}
	speech := desk.NewSpeech(r.tool(t, "desk").Conn, r.Clock.Now)
	for i, item := range slices.Sorted(maps.Keys(records)) {
		ticket := records[item].GetTicket()
		if ticket == "" {
			continue
		}
		status[ticket] = desk.Open
		if i%3 == 0 {
			status[ticket] = desk.Solved
			if _, err := speech.Say(t.Context(), ticket, &ticketv1.StatusChanged{Ticket: ticket, Status: desk.Solved, By: "ida"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.Clock.Advance(aMonth)
	if err := r.SweepWhole(t.Context()); err != nil {
		t.Fatal(err)
	}
	shows := func(r *running) {
		t.Helper()
		until(t, "the board shows every ticket and its status", func(ctx context.Context) (bool, error) {
			rows, err := r.rows(ctx)
			if err != nil || len(rows) != len(status) {
				return false, err
			}
			for ticket, want := range status {
				if rows[ticket].Status != want {
					return false, fmt.Errorf("ticket %s is %q, want %q", ticket, rows[ticket].Status, want)
				}
			}
			return true, nil
		})
	}
	shows(r)
	subjects := r.subjects(t)
	if len(subjects) == 0 {
		t.Fatal("no view opens before the loss")
	}
	plans, certificates := r.retentions(t)
	if len(certificates) == 0 {
		t.Fatal("nothing was certified after 31 days")
	}
	r.journalled(t)
	before, err := r.records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.stop()

	w.change = func(c *wiring.Config) { c.Clock.Offset = config.Duration(aMonth) }
	for loss := 1; loss <= 2; loss++ {
		w.lose(t)
		w.rebuild(t)
		p := w.open(t)
		if _, err := p.Rebuild(t.Context()); !errors.Is(err, wiring.ErrNotEmpty) {
			t.Errorf("a second rebuilding over the first: %v", err)
		}
		p.Close()

		r = w.start(t)
		after := r.settled(t, mails)
		for item, record := range before {
			if loss == 1 && !proto.Equal(record, after[item]) {
				t.Errorf("item %s came back as another record", item)
			}
		}
		shows(r)
		if again := r.subjects(t); !maps.Equal(again, subjects) {
			t.Errorf("loss %d: the views that open are others than before: %d, were %d", loss, len(again), len(subjects))
		}
		againPlans, againCertificates := r.retentions(t)
		if !slices.Equal(againPlans, plans) || !slices.Equal(againCertificates, certificates) {
			t.Errorf("loss %d: plans %d and certificates %d, were %d and %d", loss, len(againPlans), len(againCertificates), len(plans), len(certificates))
		}
		r.audited(t)

		// Life goes on, in a new epoch.
		raw := fmt.Sprintf("From: new@customer.example\r\nTo: support@brightwater.example\r\nSubject: after loss %d\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\nhello\r\n", loss)
		if err := w.box.Append([]byte(raw)); err != nil {
			t.Fatal(err)
		}
		mails++
		for item, record := range r.settled(t, mails) {
			if _, old := before[item]; old {
				continue
			}
			before[item] = record
			if status[record.GetTicket()] == "" {
				status[record.GetTicket()] = desk.Open
			}
		}
		shows(r)
		subjects = r.subjects(t)
		r.journalled(t)
		batches, err := archive.Batches(t.Context(), r.Vault, topology.Items)
		if err != nil {
			t.Fatal(err)
		}
		if last := batches[len(batches)-1]; last.Epoch.Number != uint64(loss) {
			t.Errorf("loss %d: the journal goes on in epoch %d", loss, last.Epoch.Number)
		}
		r.stop()
	}
}

func TestTicketsBringBackRecordsThatTheJournalDoesNotHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.start(t)
	records := r.settled(t, len(w.box.Mails()))
	tickets := 0
	for _, record := range records {
		if record.GetTicket() != "" {
			tickets++
		}
	}
	shown := func(ctx context.Context) (bool, error) {
		rows, err := r.rows(ctx)
		return len(rows) == tickets, err
	}
	until(t, "the board shows every ticket", shown)
	subjects := r.subjects(t)
	r.journalled(t)
	r.stop()
	p := w.open(t)
	if _, err := p.Rebuild(t.Context()); !errors.Is(err, wiring.ErrNothingLost) {
		t.Errorf("on whole streams: %v", err)
	}
	p.Close()
	w.lose(t)
	w.forgetJournal(t, topology.Items)

	for _, refill := range w.rebuild(t) {
		if refill.Stream == topology.Items && refill.Messages != tickets {
			t.Errorf("%d records came back from %d tickets", refill.Messages, tickets)
		}
	}
	r = w.start(t)
	until(t, "the board shows every ticket again", shown)
	if again := r.subjects(t); len(again) == 0 || !maps.Equal(again, subjects) {
		t.Errorf("%d views open, %d did before", len(again), len(subjects))
	}
	until(t, "mails that were no tickets are read anew", func(ctx context.Context) (bool, error) {
		again, err := r.records(ctx)
		return len(again) == len(records), err
	})
}

// forgetJournal removes a stream's journal.
func (w *world) forgetJournal(t *testing.T, stream string) {
	t.Helper()
	p := w.open(t)
	defer p.Close()
	eraser, err := erase.Dir(p.Config.Vault.Dir)
	if err != nil {
		t.Fatal(err)
	}
	batches, err := archive.Batches(t.Context(), p.Vault, stream)
	if err != nil || len(batches) == 0 {
		t.Fatalf("%d batches: %v", len(batches), err)
	}
	for _, batch := range batches {
		if _, err := eraser.Erase(t.Context(), batch.Object); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOnLostStreamsNothingIsTakenInBeforeTheyAreRebuilt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.start(t)
	r.settled(t, len(w.box.Mails()))
	r.journalled(t)
	if _, err := r.Rebuild(t.Context()); !errors.Is(err, keyring.ErrServing) {
		t.Errorf("beside a keyring that runs: %v", err)
	}
	r.stop()
	w.lose(t)

	r = w.start(t)
	until(t, "the process says what to do", func(context.Context) (bool, error) {
		return strings.Contains(r.Health.Waits()["keyring"], "postern rebuild"), nil
	})
	if records, err := r.records(t.Context()); err != nil || len(records) > 0 {
		t.Errorf("%d records on lost streams, error %v", len(records), err)
	}
	r.stop()
	w.lose(t) // other services have said something meanwhile
	w.rebuild(t)
	r = w.start(t)
	r.settled(t, len(w.box.Mails()))
}
