// Package promise3 shows the third promise on the whole system: gone means gone. It copies
// every store and the keyring's state, has some of the mail destroyed, and then tries to
// open the copies with what the present root cell gives. It reads cell, state and key
// packets by their published forms, with none of the keyring's own code.
package promise3

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/services/verify"
	"github.com/postern-mail/postern/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// A world is one process with everything inside, over a data folder.
type world struct {
	data   string
	box    *mailbox.Server
	offset time.Duration
	change func(*wiring.Config)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	box, err := mailbox.Start(t.Context(), filepath.Join(dir, "mailbox"))
	if err != nil {
		t.Fatal(err)
	}
	return &world{data: filepath.Join(dir, "data"), box: box}
}

func (w *world) config(t *testing.T) wiring.Config {
	t.Helper()
	host, portText, err := net.SplitHostPort(w.box.Addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		t.Fatal(err)
	}
	c := wiring.Default()
	c.DataDir, c.Clock.Offset = w.data, config.Duration(w.offset)
	c.Operations.Listen, c.Desk.Listen = "127.0.0.1:0", "127.0.0.1:0"
	c.Retain.MaxShare = 1
	c.Archive.JournalEvery = config.Duration(100 * time.Millisecond)
	c.Audit.CheckpointEvery = config.Duration(100 * time.Millisecond)
	c.Ingest.Mailboxes = []ingest.Mailbox{{
		ID: "support", Host: host, Port: port, CAFile: w.box.CAFile, Username: w.box.User,
		PasswordFile: config.Secret(w.box.PasswordFile), Folders: []string{mailbox.Folder},
		Poll: config.Duration(time.Second), After: ingest.Keep,
	}}
	c.Verify.Boundaries = []verify.Boundary{{Mailbox: "*", TrustMX: []string{w.box.TrustedMX}}}
	if w.change != nil {
		w.change(&c)
	}
	if c, err = c.Complete(); err != nil {
		t.Fatal(err)
	}
	return c
}

// A running is a process at work.
type running struct {
	*wiring.Process
	stop func()
}

func (w *world) start(t *testing.T) *running {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	}
	p, err := wiring.New(t.Context(), w.config(t), wiring.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if p.Resolver, err = dns.NewZone(w.box.Zone); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	stopped := false
	r := &running{p, func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the process ended with %v", err)
		}
		p.Close()
	}}
	t.Cleanup(r.stop)
	return r
}

// until waits for a condition.
func until(t *testing.T, what string, met func(ctx context.Context) (bool, error)) {
	t.Helper()
	ctx := program.Context(t)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		ok, err := met(ctx)
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: it never came (last error: %v)", what, err)
		case <-ticker.C:
		}
	}
}

func (r *running) tool(t *testing.T, credential string) *wiring.Tool {
	t.Helper()
	tool, err := r.Tool(t.Context(), credential)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tool.Conn.Close)
	return tool
}

func (r *running) records(ctx context.Context) (map[string]*itemv1.Record, error) {
	conn, err := r.Connect(ctx, topology.Doctor)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	all := map[string]*itemv1.Record{}
	for message, err := range conn.Scan(ctx, topology.Items, 1) {
		if err != nil {
			return nil, err
		}
		record := new(itemv1.Record)
		if err := proto.Unmarshal(message.Data, record); err != nil {
			return nil, err
		}
		all[record.GetItem()] = record
	}
	return all, nil
}

// settled waits until every mail is a ticket or set aside.
func (r *running) settled(t *testing.T, want int) map[string]*itemv1.Record {
	t.Helper()
	var all map[string]*itemv1.Record
	until(t, "every mail is a ticket or set aside", func(ctx context.Context) (bool, error) {
		var err error
		all, err = r.records(ctx)
		done := 0
		for _, record := range all {
			switch record.GetState() {
			case itemv1.State_STATE_TICKETED, itemv1.State_STATE_SET_ASIDE, itemv1.State_STATE_TOMBSTONE:
				done++
			}
		}
		return done == want, err
	})
	return all
}

// journalled waits until the journal has every record.
func (r *running) journalled(t *testing.T) {
	t.Helper()
	conn := r.tool(t, "archive").Conn
	kept, err := conn.Kept(t.Context(), topology.Items)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the journal has every record", func(ctx context.Context) (bool, error) {
		batches, err := archive.Batches(ctx, r.Vault, topology.Items)
		return len(batches) > 0 && batches[len(batches)-1].Last >= kept.Last, err
	})
}

// objects copies the whole vault.
func objects(t *testing.T, store vault.Store) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for object, err := range store.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		body, _, err := store.Get(t.Context(), object.Name)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(body)
		_ = body.Close()
		if err != nil {
			t.Fatal(err)
		}
		all[object.Name] = content
	}
	return all
}

func layerOf(record *itemv1.Record, kind itemv1.LayerKind) *itemv1.Layer {
	for _, layer := range record.GetLayers() {
		if layer.GetKind() == kind {
			return layer
		}
	}
	return nil
}
