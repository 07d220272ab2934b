package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	ingestv1 "github.com/postern-mail/postern/proto/ingest/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imaptest"
)

// A moment is when a call fails.
type moment string

const (
	before moment = "before" // it has no effect
	after  moment = "after"  // it has its effect, and its answer is lost
)

var errFault = errors.New("injected fault")

// A faulty world fails the n-th call of one kind at a moment.
type faulty struct {
	world *world

	mu    sync.Mutex
	calls map[string]int
	kind  string // empty: none fails
	n     int    // 1 is the first
	when  moment
	last  func() // called when it fails; nil: nothing
	fired bool
}

func (f *faulty) deps() ingest.Deps {
	deps := f.world.deps()
	deps.Vault, deps.Intake, deps.Registrar, deps.Publisher, deps.Cursors = f, f, f, f, f
	return deps
}

// call does do, or fails before or after it.
func (f *faulty) call(name string, do func() error) error {
	f.mu.Lock()
	f.calls[name]++
	mine := name == f.kind && f.calls[name] == f.n
	f.fired = f.fired || mine
	f.mu.Unlock()
	if mine && f.last != nil {
		defer f.last()
	}
	if mine && f.when == before {
		return errFault
	}
	err := do()
	if mine {
		return errFault
	}
	return err
}

func (f *faulty) Put(ctx context.Context, name string, body io.Reader, opts vault.PutOptions) (o vault.Object, err error) {
	err = f.call("put", func() error { o, err = f.world.objects.Put(ctx, name, body, opts); return err })
	return o, err
}

func (f *faulty) Bucket(ctx context.Context, at time.Time) (b *keyringv1.PublicBucket, err error) {
	err = f.call("bucket", func() error { b, err = f.world.Bucket(ctx, at); return err })
	return b, err
}

func (f *faulty) Register(ctx context.Context, r *keyringv1.Register) (out *keyringv1.Recorded, err error) {
	err = f.call("register", func() error { out, err = f.world.Register(ctx, r); return err })
	return out, err
}

func (f *faulty) SetAside(ctx context.Context, r *keyringv1.SetAside) (out *keyringv1.Recorded, err error) {
	err = f.call("set aside", func() error { out, err = f.world.SetAside(ctx, r); return err })
	return out, err
}

func (f *faulty) Publish(ctx context.Context, envelope *eventv1.Envelope) error {
	return f.call("publish", func() error { return f.world.Publish(ctx, envelope) })
}

func (f *faulty) Load(ctx context.Context, mailbox string) (c *ingestv1.Cursor, revision uint64, err error) {
	err = f.call("load", func() error { c, revision, err = f.world.Load(ctx, mailbox); return err })
	return c, revision, err
}

func (f *faulty) Save(ctx context.Context, c *ingestv1.Cursor, revision uint64) (next uint64, err error) {
	err = f.call("save", func() error { next, err = f.world.Save(ctx, c, revision); return err })
	return next, err
}

// TestWhateverCallFailsEveryMailIsOneItem fails each call of a good run in turn, before
// and after its effect.
func TestWhateverCallFailsEveryMailIsOneItem(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 3, Mails: honest(3)}
	script.Mails = append(script.Mails,
		imaptest.ScriptMail{UID: 10, Raw: bytes.Repeat([]byte("large\r\n"), 60_000)},                                          // streams
		imaptest.ScriptMail{UID: 11, Raw: append([]byte("Subject: over\r\n\r\n"), bytes.Repeat([]byte("x\r\n"), 180_000)...)}) // oversize
	address := script.Serve(t)
	run := func(t *testing.T, kind string, n int, when moment) *faulty {
		w := newWorld(t)
		f := &faulty{world: w, calls: map[string]int{}, kind: kind, n: n, when: when}
		c := plaintextConfig(t, address)
		c.MaxSize = 512 << 10
		_, stop := w.run(c, f.deps())
		w.until("all are in the cursor", func() bool { return w.dealt(11) })
		stop()
		if kind != "" && !f.fired {
			t.Errorf("the call never came: %v", f.calls)
		}
		said := map[string]map[string]bool{}
		for _, envelope := range w.said {
			if said[envelope.Item] == nil {
				said[envelope.Item] = map[string]bool{}
			}
			said[envelope.Item][envelope.Type] = true
		}
		if len(w.records) != 5 || len(said) != 5 {
			t.Errorf("%d items, %d said, want 5", len(w.records), len(said))
		}
		for _, record := range w.records {
			want := "mail.v1.Received"
			if record.Uid == 11 {
				want = "mail.v1.SetAside"
			}
			if !said[record.Item][want] || len(said[record.Item]) != 1 {
				t.Errorf("of mail %d was said %v", record.Uid, said[record.Item])
			}
			for _, mail := range script.Mails {
				if mail.UID == record.Uid && record.Uid != 11 && !bytes.Equal(w.raw(record), mail.Raw) {
					t.Errorf("mail %d has other bytes", record.Uid)
				}
			}
		}
		return f
	}
	good := run(t, "", 0, before)
	// How often the cursor is saved depends on how mails and batches fall together.
	good.calls["save"] = min(good.calls["save"], 1)
	want := map[string]int{"load": 1, "bucket": 5, "put": 5, "register": 5, "set aside": 1, "publish": 5, "save": 1}
	if !maps.Equal(good.calls, want) {
		t.Fatalf("a good run makes the calls %v, want %v", good.calls, want)
	}
	for kind, times := range want {
		for n := 1; n <= times; n++ {
			for _, when := range []moment{before, after} {
				t.Run(fmt.Sprintf("%s %d %s", kind, n, when), func(t *testing.T) { run(t, kind, n, when) })
			}
		}
	}
}
