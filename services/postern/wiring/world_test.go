package wiring_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/services/verify"
)

// A world is one process with everything inside, on a mailbox of its own, that can be
// stopped and started over the same data.
type world struct {
	dir     string
	box     *mailbox.Server
	change  func(*wiring.Config)
	options wiring.Options
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	box, err := mailbox.Start(t.Context(), filepath.Join(dir, "mailbox"))
	if err != nil {
		t.Fatal(err)
	}
	return &world{dir: filepath.Join(dir, "data"), box: box}
}

func (w *world) config(t *testing.T) wiring.Config {
	t.Helper()
	read, err := w.box.Mailbox(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c := wiring.Default()
	c.DataDir = w.dir
	c.Operations.Listen, c.Desk.Listen = "127.0.0.1:0", "127.0.0.1:0"
	c.Retain.MaxShare = 1
	c.Archive.JournalEvery = config.Duration(100 * time.Millisecond)
	c.Audit.CheckpointEvery = config.Duration(100 * time.Millisecond)
	c.Ingest.Mailboxes = []ingest.Mailbox{read}
	c.Verify.Boundaries = []verify.Boundary{{Mailbox: "*", TrustMX: []string{w.box.TrustedMX}}}
	if w.change != nil {
		w.change(&c)
	}
	if c, err = c.Complete(); err != nil {
		t.Fatal(err)
	}
	return c
}

// open opens what the services share, and runs none.
func (w *world) open(t *testing.T) *wiring.Process {
	t.Helper()
	options := w.options
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
		if testing.Verbose() {
			options.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
		}
	}
	p, err := wiring.New(t.Context(), w.config(t), options)
	if err != nil {
		t.Fatal(err)
	}
	if p.Resolver, err = dns.NewZone(w.box.Zone); err != nil {
		t.Fatal(err)
	}
	return p
}

// A running is a process at work.
type running struct {
	*wiring.Process
	stop func()
}

// start opens a process and runs services, all where none is named.
func (w *world) start(t *testing.T, services ...string) *running {
	t.Helper()
	p := w.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx, services...) }()
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

// patience bounds every wait of these tests.
const patience = 3 * time.Minute

// until waits for a condition, and fails the test where it does not come.
func until(t *testing.T, what string, met func(ctx context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	var last error
	for {
		ok, err := met(ctx)
		if ok {
			return
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %v (last error: %v)", what, patience, last)
		case <-ticker.C:
		}
	}
}

// tool signs in with a credential for as long as the test runs.
func (r *running) tool(t *testing.T, credential string) *wiring.Tool {
	t.Helper()
	tool, err := r.Tool(t.Context(), credential)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tool.Conn.Close)
	return tool
}

// records reads every item's record.
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

// settled waits until so many items are tickets or set aside, and no more.
func (r *running) settled(t *testing.T, want int) map[string]*itemv1.Record {
	t.Helper()
	var all map[string]*itemv1.Record
	until(t, "every mail is a ticket or set aside", func(ctx context.Context) (bool, error) {
		var err error
		if all, err = r.records(ctx); err != nil {
			return false, err
		}
		done := 0
		for _, record := range all {
			if s := record.GetState(); s == itemv1.State_STATE_TICKETED || s == itemv1.State_STATE_SET_ASIDE || s == itemv1.State_STATE_TOMBSTONE {
				done++
			}
		}
		return done >= want, nil
	})
	if len(all) != want {
		t.Fatalf("%d items, want %d", len(all), want)
	}
	return all
}

// rows reads the whole board.
func (r *running) rows(ctx context.Context) (map[string]desk.Row, error) {
	rows, err := desk.NewBoard(r.Model).List(ctx, desk.Filter{}, desk.Place{}, 1000)
	all := map[string]desk.Row{}
	for _, row := range rows {
		all[row.Ticket] = row
	}
	return all, err
}

// object reads an object of the vault whole.
func object(ctx context.Context, store vault.Store, name string) ([]byte, error) {
	body, _, err := store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}
