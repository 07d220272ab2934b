package keyring

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// world is everything around a keyring, in memory but for its folder.
type world struct {
	t       testing.TB
	dir     string
	copy    string // folder of the cell's copy; "": none
	second  Disk
	disk    Disk // nil: dir
	records *memRecords
	entries *memEntries
	bus     *memBus
	clock   *testClock
	objects map[string][]byte
	signers map[string]*keys.Signer
	callers map[string]string
	log     *slog.Logger
	tune    func(*Config)
	uid     uint32
	running *Service
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	second, err := NewDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, dir: t.TempDir(), copy: t.TempDir(), second: second, records: newMemRecords(), entries: new(memEntries), bus: newMemBus(),
		clock: &testClock{at: noon}, objects: map[string][]byte{}, signers: map[string]*keys.Signer{}, callers: map[string]string{},
		log: slog.New(slog.DiscardHandler),
	}
	for _, service := range []string{"ingest", "verify", "scan", "archive", "sanitize", "desk", "retain", "audit", "rebuild", "setaside", "customers"} {
		pair, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		seed, _ := pair.Seed()
		if w.signers[service], err = keys.NewSigner(seed); err != nil {
			t.Fatal(err)
		}
		w.callers[w.signers[service].Public()] = service
	}
	return w
}

func (w *world) service() *Service {
	cfg := Defaults()
	cfg.Dir, cfg.Copy, cfg.Callers = w.dir, w.copy, w.callers
	cfg.JournalWait = config.Duration(time.Millisecond)
	cfg.AuditGather = config.Duration(100 * time.Microsecond)
	if w.tune != nil {
		w.tune(&cfg)
	}
	s, err := New(cfg, Deps{
		Records: w.records, Entries: w.entries, Published: w.bus, Server: w.bus, Clock: w.clock, Log: w.log,
		Disk: w.disk, Second: DiskStore(w.second),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// start runs a keyring until stop or the test's end.
func (w *world) start() (s *Service, stop func()) {
	w.t.Helper()
	s = w.service()
	w.running, s.retry = s, time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	w.bus.mu.Lock()
	w.bus.published = nil
	w.bus.mu.Unlock()
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("keyring: %v", err)
		}
	})
	w.t.Cleanup(stop)
	w.bus.await(w.t, func() bool { return w.bus.published != nil })
	return s, stop
}

// pass moves the clock and has the keys of the new day published.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.clock.advance(d)
	at := w.clock.Now()
	w.running.changedKeys() // it looks once a second by itself
	w.bus.await(w.t, func() bool { _, err := keys.Intake(w.bus.published, at); return err == nil })
}

func (w *world) client(service string) *keys.Client {
	return keys.NewClient(w.bus, w.signers[service], w.clock)
}

func (w *world) opener(service string) *open.Opener {
	return open.NewOpener(w.client(service), open.OpenerOptions{Gather: time.Microsecond})
}

func (w *world) object(layer, item string) string {
	at := w.clock.Now()
	return fmt.Sprintf("%s/%s/%s.%s", layer, at.Format("2006/01/02"), item, ulid.MustNewDefault(at))
}

// registration seals a mail as ingest does.
func (w *world) registration(uid uint32, text string) *keyringv1.Register {
	w.t.Helper()
	at := w.clock.Now()
	w.bus.mu.Lock()
	b, err := keys.Intake(w.bus.published, at)
	w.bus.mu.Unlock()
	if err != nil {
		w.t.Fatal(err)
	}
	to, err := seal.NewRecipient(b.Bucket, b.PublicKey)
	if err != nil {
		w.t.Fatal(err)
	}
	var out bytes.Buffer
	l, _ := seal.NewLayer(to, &out)
	p, _ := l.Packet()
	p.Write([]byte(text))
	p.Close()
	sum := sha256.Sum256([]byte(text))
	digest, _ := l.Beside(sum[:])
	s, err := l.Close()
	if err != nil {
		w.t.Fatal(err)
	}
	object := w.object("raw", event.Item("support", "INBOX", 7, uid, 0))
	w.objects[object] = out.Bytes()
	return &keyringv1.Register{
		Mailbox: "support", Folder: "INBOX", UidValidity: 7, Uid: uid, Size: int64(len(text)), InternalDate: timestamppb.New(noon),
		Raw: &itemv1.Layer{
			Kind: raw, Object: object, Size: s.Size, Digest: s.Digest, PacketEnds: s.PacketEnds, KeyPacket: s.KeyPacket,
			Bucket: s.Bucket, Attempted: timestamppb.New(at),
		},
		RawDigest: digest,
	}
}

// mail registers a mail and gives its item.
func (w *world) mail(text string) string {
	w.t.Helper()
	w.uid++
	got, err := w.client("ingest").Register(w.t.Context(), w.registration(w.uid, text))
	if err != nil || !got.Changed {
		w.t.Fatalf("register: %v", err)
	}
	return got.Record.Item
}

func (w *world) record(item string) *itemv1.Record {
	w.t.Helper()
	s, err := w.records.Get(w.t.Context(), item)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Record
}

// details seals findings under raw's session key, as verify and scan do.
func (w *world) details(item, author string) []byte {
	w.t.Helper()
	k, err := w.opener("verify").Open(w.t.Context(), open.Ask{Purpose: keys.ForVerify, Layer: raw, Item: item})
	if err != nil {
		w.t.Fatal(err)
	}
	defer k.Clear()
	plain, _ := proto.Marshal(&contentv1.Findings{Author: author})
	sealed, err := seal.Under(k.Session, plain)
	if err != nil {
		w.t.Fatal(err)
	}
	return sealed
}

func dues(days int) []*keyringv1.Due {
	at := noon.Truncate(day)
	due := func(kind itemv1.LayerKind, days int) *keyringv1.Due {
		return &keyringv1.Due{Layer: kind, Due: timestamppb.New(at.AddDate(0, 0, days)), PeriodDays: 1}
	}
	return []*keyringv1.Due{due(raw, days), due(view, 10*days), due(pii, 5*days)}
}

// file files an item so that raw is due after some days, pii after five times, view after ten times.
func (w *world) file(item string, days int) *itemv1.Record {
	w.t.Helper()
	got, err := w.client("archive").File(w.t.Context(), &keyringv1.File{
		Item: item, Class: "customer", Details: w.details(item, "Jane@Example.org"), Dues: dues(days),
		Findings: &itemv1.Findings{ScanVerdict: "clean"}, Evidence: []byte("sealed evidence"),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return got.Record
}

func (w *world) layer(record *itemv1.Record, kind itemv1.LayerKind, packets ...[]byte) *itemv1.Layer {
	w.t.Helper()
	berth := berthOf(record, kind)
	to, err := seal.NewRecipient(berth.Bucket, berth.PublicKey)
	if err != nil {
		w.t.Fatal(err)
	}
	ciphertext, s, err := seal.Bytes(to, packets...)
	if err != nil {
		w.t.Fatal(err)
	}
	return &itemv1.Layer{
		Kind: kind, Inline: ciphertext, Size: s.Size, Digest: s.Digest, PacketEnds: s.PacketEnds, KeyPacket: s.KeyPacket,
		Bucket: s.Bucket, Attempted: timestamppb.New(w.clock.Now()),
	}
}

// render adds view and pii to a filed item.
func (w *world) render(record *itemv1.Record, text string) *itemv1.Record {
	w.t.Helper()
	v, p := w.layer(record, view, []byte("card "+text), []byte("view "+text)), w.layer(record, pii, []byte("pii "+text))
	w.objects["inline view "+record.Item], w.objects["inline pii "+record.Item] = v.Inline, p.Inline
	got, err := w.client("sanitize").Layers(w.t.Context(), &keyringv1.Layers{Item: record.Item, Layers: []*itemv1.Layer{v, p}})
	if err != nil {
		w.t.Fatal(err)
	}
	return got.Record
}

// ticketed takes a mail all the way.
func (w *world) ticketed(text string, days int) string {
	w.t.Helper()
	item := w.mail(text)
	w.render(w.file(item, days), text)
	if _, err := w.client("desk").Ticket(w.t.Context(), &keyringv1.Ticket{Item: item, Ticket: event.Ticket(item)}); err != nil {
		w.t.Fatal(err)
	}
	return item
}

// opens gives what a layer of an item says, first packet, through the keyring.
func (w *world) opens(item string, kind itemv1.LayerKind) (string, error) {
	ask := map[itemv1.LayerKind]open.Ask{
		raw:  {Purpose: keys.ForVerify, Layer: raw},
		view: {Purpose: keys.ForRead, Layer: view, Actor: "anna"},
		pii:  {Purpose: keys.ForReveal, Layer: pii, Actor: "anna", Ticket: event.Ticket(item), Reason: []byte("sealed")},
	}[kind]
	ask.Item = item
	k, err := w.opener(map[itemv1.LayerKind]string{raw: "verify", view: "desk", pii: "desk"}[kind]).Open(w.t.Context(), ask)
	if err != nil {
		return "", err
	}
	defer k.Clear()
	name := k.Layer.Object
	if name == "" {
		name = "inline " + layerNames[kind] + " " + item
	}
	section, err := open.Section(bytes.NewReader(w.objects[name]), k.Layer.PacketEnds, 0)
	if err != nil {
		return "", err
	}
	got, err := open.All(k.Session, section, 1<<20)
	return string(got), err
}

func (w *world) mustOpen(item string, kind itemv1.LayerKind, want string) {
	w.t.Helper()
	if got, err := w.opens(item, kind); err != nil || got != want {
		w.t.Errorf("%s: got %q, %v; want %q", layerNames[kind], got, err, want)
	}
}

func (w *world) mustRefuse(err error, want keys.Refusal) {
	w.t.Helper()
	if got, is := keys.RefusalOf(err); !is || got != want {
		w.t.Errorf("got %v, want the refusal %s", err, want)
	}
}

// journalled says that the journal has everything that was written so far.
func (w *world) journalled() {
	w.t.Helper()
	w.records.mu.Lock()
	seq := w.records.seq
	w.records.mu.Unlock()
	if err := w.client("archive").Journalled(w.t.Context(), map[string]uint64{"ITEMS": seq}); err != nil {
		w.t.Fatal(err)
	}
}

// plan closes what is due and makes the plan that retain would.
func (w *world) plan(id string) *retentionv1.Planned {
	w.t.Helper()
	closed, err := w.client("retain").Close(w.t.Context(), &keyringv1.Close{Before: timestamppb.New(w.clock.Now().Truncate(day))})
	if err != nil {
		w.t.Fatal(err)
	}
	in := map[string]bool{}
	for _, b := range closed.Buckets {
		in[b] = true
	}
	p := &retentionv1.Planned{Plan: id, Cause: "expiry", Buckets: closed.Buckets}
	for s := range w.records.All(w.t.Context()) {
		p.Targets = append(p.Targets, keys.Targets(s.Record, in, id)...)
	}
	keys.SortTargets(p.Targets)
	p.Hash = keys.PlanHash(p.Buckets, p.Targets)
	return p
}

func (w *world) forget() *keyringv1.Forgotten {
	w.t.Helper()
	w.journalled()
	got, err := w.client("retain").Forget(w.t.Context())
	if code, is := keys.RefusalOf(err); is && code == keys.JournalBehind {
		w.journalled() // the archive has written what was moved
		got, err = w.client("retain").Forget(w.t.Context())
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}
