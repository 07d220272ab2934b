package ingest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	ingestv1 "github.com/postern-mail/postern/proto/ingest/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// publishKeys says the world's intake bucket in the keyring's name.
func publishKeys(t *testing.T, b *bustest.Bus, w *world) {
	t.Helper()
	now := time.Now().UTC()
	published := &keyringv1.Published{Intake: []*keyringv1.PublicBucket{{
		Bucket: bucket, PublicKey: w.key.Recipient().PublicKey(),
		Opens: timestamppb.New(now.Add(-time.Hour)), Closes: timestamppb.New(now.Add(24 * time.Hour)),
	}}, Time: timestamppb.New(now)}
	envelope, err := event.New("published-1", "keyring", 0, "", now, published)
	if err != nil {
		t.Fatal(err)
	}
	data, err := event.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Connect(t, "keyring").Publish(t.Context(), keys.PublishedSubject, data, bus.MsgID(envelope.Id)); err != nil {
		t.Fatal(err)
	}
}

func TestOnARealBusMailIsSaidOnceAndTheCursorIsThere(t *testing.T) {
	t.Parallel()
	bustest.Each(t, func(t *testing.T, b *bustest.Bus) {
		w := newWorld(t)
		publishKeys(t, b, w)
		server := dovecot.Start(t, "ada")
		server.Append("ada", "INBOX", mails(30, 700)...)
		conn := b.Connect(t, "ingest")
		deps := ingest.OnBus(conn)
		deps.Vault, deps.Registrar, deps.Now = w.vault, w, time.Now
		_, stop := w.run(configFor(t, server), deps)

		done := func() bool {
			cursor, _, err := deps.Cursors.Load(t.Context(), "support")
			if err != nil {
				t.Fatal(err)
			}
			folders := cursor.GetFolders()
			return len(folders) == 1 && len(folders[0].Done) == 1 && folders[0].Done[0].First == 1 && folders[0].Done[0].Last == 30
		}
		for deadline := time.After(30 * time.Second); !done(); {
			select {
			case <-deadline:
				t.Fatal("the cursor does not come to 30")
			case <-time.After(20 * time.Millisecond):
			}
		}
		stop()
		w.same(server, "INBOX")

		received := map[string]bool{}
		limits := bus.Limits{Messages: 64}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		got := make(chan *bus.Delivery, 64)
		go func() {
			_ = b.Connect(t, "verify").Consume(ctx, "MAIL", "verify", limits, func(d *bus.Delivery) { got <- d })
		}()
		for len(received) < 30 {
			select {
			case d := <-got:
				envelope, _, err := event.Open(d.Subject, d.Data)
				if err != nil || received[envelope.Item] {
					t.Fatalf("event of an item that was said before, or none: %v", err)
				}
				received[envelope.Item] = true
				if err := d.Ack(ctx); err != nil {
					t.Fatal(err)
				}
			case <-ctx.Done():
				t.Fatalf("%d events, want 30", len(received))
			}
		}
	})
}

func TestACursorIsSavedOnlyOverTheOneThatWasRead(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t)
	deps := ingest.OnBus(b.Connect(t, "ingest"))
	empty, revision, err := deps.Cursors.Load(t.Context(), "support")
	if empty != nil || revision != 0 || err != nil {
		t.Fatalf("empty: %v, %d, %v", empty, revision, err)
	}
	cursor := &ingestv1.Cursor{Mailbox: "support", Folders: []*ingestv1.Folder{{Name: "INBOX", UidValidity: 7, Highest: 3}}}
	first, err := deps.Cursors.Save(t.Context(), cursor, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := deps.Cursors.Save(t.Context(), cursor, 0); !errors.Is(err, ingest.ErrMoved) {
		t.Errorf("over an older one: %v, want %v", err, ingest.ErrMoved)
	}
	second, err := deps.Cursors.Save(t.Context(), cursor, first)
	if err != nil {
		t.Fatal(err)
	}
	got, revision, err := deps.Cursors.Load(t.Context(), "support")
	if err != nil || revision != second || !proto.Equal(got, cursor) {
		t.Errorf("loaded %v at %d, %v", got, revision, err)
	}
}

func TestAMailboxMovesWhenItsHolderGivesItUp(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t)
	one, two := ingest.OnBus(b.Connect(t, "ingest")), ingest.OnBus(b.Connect(t, "ingest"))
	held, release, err := one.Leases.Hold(t.Context(), "support")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		_, release, err := two.Leases.Hold(t.Context(), "support")
		if err == nil {
			release()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("two hold it: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	release()
	<-held.Done()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestASweepSaysStandingItemsAgainAndLooksNoLowerThanItMust(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t)
	w := newWorld(t)
	deps := ingest.OnBus(b.Connect(t, "ingest"))
	deps.Vault, deps.Registrar, deps.Publisher, deps.Now = w.vault, w, w, time.Now
	service, err := ingest.New(ingest.Default(), deps)
	if err != nil {
		t.Fatal(err)
	}
	keyring := b.Connect(t, "keyring")
	write := func(uid uint32, state itemv1.State) uint64 {
		record := &itemv1.Record{Item: event.Item("support", "INBOX", 1, uid, 0), State: state, Size: 10,
			Layers: []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_RAW, Size: 90}}}
		data, err := proto.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		sequence, err := keyring.Publish(t.Context(), "items."+record.Item, data, bus.Headers(bus.Header{event.HeaderState: {event.StateWord(state)}}))
		if err != nil {
			t.Fatal(err)
		}
		return sequence
	}
	sweep := func(from, want uint64) {
		t.Helper()
		if next, err := service.SweepFrom(t.Context(), from); err != nil || next != want {
			t.Errorf("sweep from %d: next %d, %v; want %d", from, next, err, want)
		}
	}
	sweep(1, 1) // nothing there
	filed := write(1, itemv1.State_STATE_FILED)
	sweep(1, filed+1)
	young := write(2, itemv1.State_STATE_REGISTERED)
	write(3, itemv1.State_STATE_FILED)
	sweep(filed+1, young) // it stands, but not for long
	if len(w.said) != 0 {
		t.Errorf("%d events of items that do not stand still", len(w.said))
	}
	ingest.Standstill(service, 0)
	sweep(young, young)
	if len(w.said) != 1 || w.said[0].Item != event.Item("support", "INBOX", 1, 2, 0) || w.said[0].Type != "mail.v1.Received" ||
		w.said[0].Id == event.ID(w.said[0].Item, "ingest", 0) {
		t.Errorf("said %v", w.said)
	}
	rest := write(2, itemv1.State_STATE_FILED)
	sweep(young, rest+1)
	if len(w.said) != 1 {
		t.Errorf("said %d events, want 1", len(w.said))
	}
	// One that somebody has taken up again is not waited for until it stands still.
	ingest.Standstill(service, time.Hour)
	record := &itemv1.Record{Item: event.Item("support", "INBOX", 1, 4, 0), State: itemv1.State_STATE_REGISTERED, Size: 10, Changed: timestamppb.Now(),
		PastAsides: []*itemv1.SetAside{{Code: "killed_worker", Stage: "scan", Retried: timestamppb.Now()}},
		Layers:     []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_RAW, Size: 90}}}
	data, err := proto.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	header := bus.Header{event.HeaderState: {event.StateWord(record.State)}, event.HeaderRetried: {"yes"}}
	again, err := keyring.Publish(t.Context(), "items."+record.Item, data, bus.Headers(header))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // and said once
		sweep(rest+1, again)
	}
	if len(w.said) != 2 || w.said[1].Item != record.Item || w.said[1].Type != "mail.v1.Received" {
		t.Errorf("said %v", w.said)
	}
}
