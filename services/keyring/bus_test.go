package keyring

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// busWorld is a world whose keyring stands on a real bus.
type busWorld struct {
	*world
	bus   *bustest.Bus
	conns map[string]*bus.Conn
}

func newBusWorld(t testing.TB) *busWorld {
	b := &busWorld{world: newWorld(t), bus: bustest.Start(t), conns: map[string]*bus.Conn{}}
	b.clock.at = time.Now().UTC()
	b.callers = map[string]string{}
	for _, service := range []string{"ingest", "verify", "archive", "sanitize", "desk", "retain", "rebuild", "setaside"} {
		s, err := keys.NewSigner(b.bus.Seeds[service])
		if err != nil {
			t.Fatal(err)
		}
		b.signers[service], b.callers[s.Public()] = s, service
		b.conns[service] = b.bus.Connect(t, service)
	}
	cfg := Defaults()
	cfg.Dir, cfg.Callers = b.dir, b.callers
	cfg.JournalWait = 1
	deps := OnBus(b.bus.Connect(t, "keyring"), b.clock.Now)
	deps.Clock, deps.Second, deps.Log = b.clock, DiskStore(b.second), b.log
	s, err := New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	b.world.bus.published = b.published()
	return b
}

// published waits for the keyring's public keys.
func (b *busWorld) published() *keyringv1.Published {
	b.t.Helper()
	for {
		m, err := b.conns["ingest"].Last(bustest.Context(b.t), topology.Keys, keys.PublishedSubject)
		if errors.Is(err, bus.ErrNoMessage) {
			continue
		}
		if err != nil {
			b.t.Fatal(err)
		}
		p, err := keys.ReadPublished(m.Data)
		if err != nil {
			b.t.Fatal(err)
		}
		return p
	}
}

func (b *busWorld) client(service string) *keys.Client {
	conn := b.conns[service]
	return keys.NewClient(keys.RequesterFunc(func(ctx context.Context, subject string, body []byte) ([]byte, error) {
		return conn.Request(ctx, subject, body)
	}), b.signers[service], b.clock)
}

func TestOnTheBusTheWholeWayOfAMail(t *testing.T) {
	b := newBusWorld(t)
	got, err := b.client("ingest").Register(t.Context(), b.registration(1, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	item := got.Record.Item
	m, err := b.conns["ingest"].Last(t.Context(), topology.Items, "items."+item)
	if err != nil {
		t.Fatal(err)
	}
	var r itemv1.Record
	if err := proto.Unmarshal(m.Data, &r); err != nil || !proto.Equal(&r, got.Record) || m.Sequence != got.Sequence || m.Header.Get(event.HeaderState) != "registered" {
		t.Errorf("%v, %v", m, err)
	}
	filed, err := b.client("archive").File(t.Context(), &keyringv1.File{Item: item, Class: "customer", Dues: dues(60)})
	if err != nil {
		t.Fatal(err)
	}
	v := b.layer(filed.Record, view, []byte("card"))
	if _, err := b.client("sanitize").Layers(t.Context(), &keyringv1.Layers{Item: item, Layers: []*itemv1.Layer{v}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.client("desk").Ticket(t.Context(), &keyringv1.Ticket{Item: item, Ticket: event.Ticket(item)}); err != nil {
		t.Fatal(err)
	}
	k, err := open.NewOpener(b.client("verify"), open.OpenerOptions{}).Open(t.Context(), open.Ask{Purpose: keys.ForVerify, Layer: raw, Item: item})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := open.Bytes(k.Session, b.objects[k.Layer.Object], 100); err != nil || string(text) != "hello" {
		t.Errorf("%q, %v", text, err)
	}

	// The record of it is in AUDIT, by the time the key is here.
	found := false
	for m, err := range b.conns["archive"].Scan(t.Context(), topology.Audit, 1) {
		if err != nil {
			t.Fatal(err)
		}
		_, said, err := event.Open(m.Subject, m.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range said.(*auditv1.Entry).Acts {
			found = found || (a.Action == "open" && a.Service == "verify" && a.Items[0] == item)
		}
	}
	if !found {
		t.Error("no entry says that verify opened the mail")
	}

	if _, err := b.client("retain").Erase(t.Context(), &keyringv1.Erase{Request: "r", Items: []string{item}}); err != nil {
		t.Fatal(err)
	}
	m, err = b.conns["archive"].Last(t.Context(), topology.Items, "items."+item)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.client("archive").Journalled(t.Context(), map[string]uint64{"ITEMS": m.Sequence}); err != nil {
		t.Fatal(err)
	}
	gone, err := b.client("retain").Forget(t.Context())
	if err != nil || len(gone.Buckets) != 2 {
		t.Errorf("forgotten: %v, %v", gone, err)
	}
	attested, err := b.client("retain").Attest(t.Context(), &keyringv1.Attest{Buckets: gone.Buckets})
	if err != nil || !attested.Gone[0].Gone {
		t.Errorf("%v, %v", attested, err)
	}
}

func TestOnTheBusAServiceCannotEvenReachWhatItMayNot(t *testing.T) {
	b := newBusWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := b.client("archive").Register(ctx, b.registration(1, "hello"))
	if _, refused := keys.RefusalOf(err); err == nil || refused {
		t.Errorf("archive reached register: %v", err)
	}
	_, err = b.client("desk").Ask(ctx, keys.OpDestroy, &keyringv1.Destroy{}, &keyringv1.Forgotten{})
	if _, refused := keys.RefusalOf(err); err == nil || refused {
		t.Errorf("desk reached destroy: %v", err)
	}
}

func TestTheJournalIsOpenedForARebuildOnly(t *testing.T) {
	w := newWorld(t)
	w.start()
	j := w.bus.published.Journal
	to, err := seal.NewRecipient(j.Bucket, j.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	ciphertext, s, err := seal.Bytes(to, []byte("a batch"))
	if err != nil {
		t.Fatal(err)
	}
	mail := w.registration(1, "hello")
	got, err := w.opener("rebuild").Packets(t.Context(),
		[][]byte{s.KeyPacket, mail.Raw.KeyPacket, s.KeyPacket, mail.Raw.KeyPacket},
		[]string{j.Bucket, mail.Raw.Bucket, "journal.journal.99991231.7", j.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := open.Bytes(got[0].Key.Session, ciphertext, 100); err != nil || string(text) != "a batch" {
		t.Errorf("%q, %v", text, err)
	}
	w.mustRefuse(got[1].Err, keys.WrongLayer)
	w.mustRefuse(got[2].Err, keys.Destroyed)
	w.mustRefuse(got[3].Err, keys.Malformed)
	_, err = w.opener("verify").Packets(t.Context(), [][]byte{s.KeyPacket}, []string{j.Bucket})
	w.mustRefuse(err, keys.Forbidden)
	if acts := w.entries.acts("rebuild"); len(acts) != 4 {
		t.Errorf("%d acts, want one for what was allowed and three for the refusals", len(acts))
	}
}

func TestTheHeadersSayThatAMailWasTakenUpAgainUntilItIsDealtWith(t *testing.T) {
	b := newBusWorld(t)
	got, err := b.client("ingest").Register(t.Context(), b.registration(1, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	item := got.Record.Item
	want := func(moment, state, retried string) {
		t.Helper()
		m, err := b.conns["ingest"].Last(t.Context(), topology.Items, "items."+item)
		if err != nil || m.Header.Get(event.HeaderState) != state || m.Header.Get(event.HeaderRetried) != retried {
			t.Errorf("%s: %v, %v", moment, m.Header, err)
		}
	}
	want("new", "registered", "")
	if _, err := b.client("ingest").SetAside(t.Context(), &keyringv1.SetAside{Item: item, Code: "broken", Stage: "ingest"}); err != nil {
		t.Fatal(err)
	}
	want("set aside", "set_aside", "")
	b.clock.advance(time.Second)
	if _, err := b.client("setaside").Retry(t.Context(), &keyringv1.Retry{Item: item, Actor: "operator:paula"}); err != nil {
		t.Fatal(err)
	}
	want("taken up", "registered", "yes")
	if _, err := b.client("archive").File(t.Context(), &keyringv1.File{Item: item, Class: "customer", Dues: dues(60)}); err != nil {
		t.Fatal(err)
	}
	want("filed", "filed", "")
}
