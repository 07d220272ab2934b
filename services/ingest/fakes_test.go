package ingest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/vault/memory"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	ingestv1 "github.com/postern-mail/postern/proto/ingest/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

const bucket = "intake.raw.20261121.0"

// A world is everything around ingest, in memory: a keyring that follows the rules of
// the item record, a bus that remembers, cursors and leases.
type world struct {
	t       testing.TB
	key     *open.BucketKey
	vault   ingest.Vault
	objects *memory.Store

	mu       sync.Mutex
	records  map[string]*itemv1.Record
	digests  map[string][]byte // sealed digests as they came
	said     []*eventv1.Envelope
	cursors  map[string]*ingestv1.Cursor
	revision map[string]uint64
	held     map[string]bool
	safe     map[string]bool // items that the journal has as they stand
	changed  chan struct{}   // closed and renewed with every change

	// refuse answers a registration in the keyring's place, where it gives an error.
	refuse func(*keyringv1.Register) error
	// placed gives the item that a mail of a folder with new numbers is already.
	placed func(*keyringv1.Register) *itemv1.Record
	// failing answers a publish likewise.
	failing func() error
}

func newWorld(t testing.TB) *world {
	t.Helper()
	key, err := open.GenerateBucketKey(bucket)
	if err != nil {
		t.Fatal(err)
	}
	objects := memory.New()
	return &world{
		t: t, key: key, vault: objects, objects: objects,
		records: map[string]*itemv1.Record{}, digests: map[string][]byte{}, cursors: map[string]*ingestv1.Cursor{},
		revision: map[string]uint64{}, held: map[string]bool{}, safe: map[string]bool{}, changed: make(chan struct{}),
	}
}

func (w *world) deps() ingest.Deps {
	return ingest.Deps{Vault: w.vault, Intake: w, Registrar: w, Publisher: w, Cursors: w, Leases: w, Archive: w, Now: time.Now}
}

// note wakes whoever waits for a change; mu is held.
func (w *world) note() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// until waits for a condition, which is looked at after every change.
func (w *world) until(what string, condition func() bool) {
	w.t.Helper()
	deadline := time.After(2 * time.Minute) // only so that a failure ends
	for {
		w.mu.Lock()
		met, changed := condition(), w.changed
		w.mu.Unlock()
		if met {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			w.t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (w *world) Bucket(context.Context, time.Time) (*keyringv1.PublicBucket, error) {
	return &keyringv1.PublicBucket{Bucket: bucket, PublicKey: w.key.Recipient().PublicKey()}, nil
}

func (w *world) Register(_ context.Context, r *keyringv1.Register) (*keyringv1.Recorded, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.note()
	if w.refuse != nil {
		if err := w.refuse(r); err != nil {
			return nil, err
		}
	}
	if r.Renumbered && w.placed != nil {
		if known := w.placed(r); known != nil {
			known.Place = &itemv1.Place{UidValidity: r.UidValidity, Uid: r.Uid, Generation: r.Generation}
			return &keyringv1.Recorded{Record: proto.CloneOf(known), Changed: true}, nil
		}
	}
	item := event.Item(r.Mailbox, r.Folder, r.UidValidity, r.Uid, r.Generation)
	if old := w.records[item]; old != nil {
		completes := event.Lacking(old) && !r.HeadersOnly
		if completes && old.Size == 0 { // nothing was known of it
			old.Size, old.InternalDate = r.Size, r.InternalDate
		}
		if old.Size != r.Size || !old.InternalDate.AsTime().Equal(r.InternalDate.AsTime()) {
			return nil, fmt.Errorf("register: %w", keys.Conflict)
		}
		if completes {
			old.Layers, old.FetchLimit, old.HeadersOnly, w.digests[item] = []*itemv1.Layer{r.Raw}, 0, false, r.RawDigest
			return &keyringv1.Recorded{Record: proto.CloneOf(old), Changed: true}, nil
		}
		return &keyringv1.Recorded{Record: proto.CloneOf(old)}, nil
	}
	record := &itemv1.Record{
		Item: item, Mailbox: r.Mailbox, Folder: r.Folder, UidValidity: r.UidValidity, Uid: r.Uid, Generation: r.Generation,
		Size: r.Size, InternalDate: r.InternalDate, Received: timestamppb.Now(), State: itemv1.State_STATE_REGISTERED,
		Layers: []*itemv1.Layer{r.Raw}, HeadersOnly: r.HeadersOnly, Kind: r.Kind, Loops: r.Loops,
	}
	w.records[item], w.digests[item] = record, r.RawDigest
	return &keyringv1.Recorded{Record: proto.CloneOf(record), Changed: true}, nil
}

func (w *world) SetAside(_ context.Context, r *keyringv1.SetAside) (*keyringv1.Recorded, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.note()
	record := w.records[r.Item]
	if record.SetAside == nil {
		record.State = itemv1.State_STATE_SET_ASIDE
		record.SetAside = &itemv1.SetAside{Code: r.Code, Stage: r.Stage, Time: timestamppb.Now()}
	}
	return &keyringv1.Recorded{Record: proto.CloneOf(record)}, nil
}

func (w *world) Publish(_ context.Context, envelope *eventv1.Envelope) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.note()
	if w.failing != nil {
		if err := w.failing(); err != nil {
			return err
		}
	}
	w.said = append(w.said, envelope)
	return nil
}

func (w *world) Load(_ context.Context, mailbox string) (*ingestv1.Cursor, uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cursors[mailbox] == nil {
		return nil, 0, nil
	}
	return proto.CloneOf(w.cursors[mailbox]), w.revision[mailbox], nil
}

func (w *world) Save(_ context.Context, cursor *ingestv1.Cursor, revision uint64) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.note()
	if w.revision[cursor.Mailbox] != revision {
		return 0, ingest.ErrMoved
	}
	w.revision[cursor.Mailbox]++
	w.cursors[cursor.Mailbox] = proto.CloneOf(cursor)
	return w.revision[cursor.Mailbox], nil
}

func (w *world) Hold(ctx context.Context, name string) (context.Context, func(), error) {
	for {
		w.mu.Lock()
		if !w.held[name] {
			w.held[name] = true
			w.mu.Unlock()
			held, cancel := context.WithCancel(ctx)
			return held, func() {
				cancel()
				w.mu.Lock()
				defer w.mu.Unlock()
				w.held[name] = false
				w.note()
			}, nil
		}
		changed := w.changed
		w.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// Item is the archive's: safe is what the journal has.
func (w *world) Item(_ context.Context, item string) (*itemv1.Record, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	record := w.records[item]
	if record == nil {
		return nil, false, nil
	}
	return proto.CloneOf(record), w.safe[item], nil
}

// file has items filed, and in the journal where safe says so.
func (w *world) file(safe bool, records ...*itemv1.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, record := range records {
		record.State, record.Class = itemv1.State_STATE_FILED, "standard"
		w.records[record.Item], w.safe[record.Item] = proto.CloneOf(record), safe
	}
}

// intend puts a cursor in place that says of a mail that it is about to be set aside.
func (w *world) intend(mailbox string, validity, uid uint32, code string) {
	w.cursors[mailbox] = &ingestv1.Cursor{Mailbox: mailbox, Folders: []*ingestv1.Folder{{
		Name: "INBOX", UidValidity: validity, Troubles: []*ingestv1.Trouble{{Uid: uid, Tries: 8, Code: code}},
	}}}
}

// digest opens an item's raw layer and gives the SHA-256 of what is in it.
func (w *world) digest(record *itemv1.Record) [sha256.Size]byte {
	w.t.Helper()
	raw := w.raw(record)
	return sha256.Sum256(raw)
}

func (w *world) raw(record *itemv1.Record) []byte {
	w.t.Helper()
	layer := record.Layers[0]
	session, err := w.key.Unwrap(layer.KeyPacket)
	if err != nil {
		w.t.Fatal(err)
	}
	defer session.Clear()
	object, _, err := w.objects.Get(context.Background(), layer.Object)
	if err != nil {
		w.t.Fatal(err)
	}
	defer object.Close()
	ciphertext, err := io.ReadAll(object)
	if err != nil {
		w.t.Fatal(err)
	}
	if sum := sha256.Sum256(ciphertext); !bytes.Equal(sum[:], layer.Digest) || int64(len(ciphertext)) != layer.Size {
		w.t.Error("record has another digest or size of the ciphertext")
	}
	raw, err := open.Bytes(session, ciphertext, 1<<30)
	if err != nil {
		w.t.Fatal(err)
	}
	digest, err := open.Bytes(session, w.digests[record.Item], 1<<10)
	if sum := sha256.Sum256(raw); err != nil || !bytes.Equal(sum[:], digest) {
		w.t.Errorf("sealed digest is not the raw bytes': %v", err)
	}
	return raw
}

// dealt tells whether the saved cursor says of one folder that everything up to last
// is dealt with; mu is held or nothing runs.
func (w *world) dealt(last uint32) bool {
	folders := w.cursors["support"].GetFolders()
	return len(folders) == 1 && len(folders[0].Done) == 1 && folders[0].Done[0].First == 1 && folders[0].Done[0].Last == last
}

// stored counts the objects.
func (w *world) stored() int {
	n := 0
	for _, err := range w.objects.List(context.Background(), "", "") {
		if err != nil {
			w.t.Fatal(err)
		}
		n++
	}
	return n
}

// run starts a service and gives what stops it and waits for its end.
func (w *world) run(config ingest.Config, deps ingest.Deps) (service *ingest.Service, stop func()) {
	w.t.Helper()
	service, err := ingest.New(config, deps)
	if err != nil {
		w.t.Fatal(err)
	}
	return service, w.start(service)
}

// start is run for a service that is there.
func (w *world) start(service *ingest.Service) (stop func()) {
	service.Hurry()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// configFor reads ada's INBOX of a Dovecot.
func configFor(t testing.TB, server *dovecot.Server) ingest.Config {
	t.Helper()
	c := ingest.Default()
	host, port := split(t, server.Addr)
	c.Mailboxes = []ingest.Mailbox{{
		ID: "support", Host: host, Port: port, CAFile: server.CAFile, Username: "ada",
		PasswordFile: secret(t, dovecot.Password), Poll: config.Duration(50 * time.Millisecond),
	}}
	return c
}

func plaintextConfig(t testing.TB, address string) ingest.Config {
	t.Helper()
	c := ingest.Default()
	host, port := split(t, address)
	c.Silence = config.Duration(2 * time.Second)
	c.Mailboxes = []ingest.Mailbox{{
		ID: "support", Host: host, Port: port, TLS: imap.Plaintext, Username: "ada",
		PasswordFile: secret(t, dovecot.Password), Poll: config.Duration(50 * time.Millisecond),
	}}
	return c
}

func split(t testing.TB, address string) (string, int) {
	t.Helper()
	host, text, err := net.SplitHostPort(address)
	port, err2 := strconv.Atoi(text)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return host, port
}

func secret(t testing.TB, text string) config.Secret {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Secret(path)
}

func mails(n, size int) [][]byte {
	var list [][]byte
	for i := range n {
		head := fmt.Sprintf("From: customer%d@example.org\r\nSubject: question %d\r\nMessage-ID: <same@example.org>\r\n\r\n", i, i)
		list = append(list, append([]byte(head), bytes.Repeat([]byte("A line of text.\r\n"), max(1, (size-len(head))/17))...))
	}
	return list
}

// A logbook is a log that wakes whoever waits for the world.
type logbook struct {
	world *world
	text  strings.Builder
}

func newLog(l *logbook) *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logbook) Write(p []byte) (int, error) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	defer l.world.note()
	return l.text.Write(p)
}
