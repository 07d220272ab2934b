package retain_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/retention"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/erase"
	"github.com/postern-mail/postern/pkg/vault/memory"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
	"github.com/postern-mail/postern/services/retain"
)

var signer = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{5}, ed25519.SeedSize))

// errInjected is what a call that is told to fail answers.
var errInjected = errors.New("injected")

// faults count every call of every dependency and fail one of them.
type faults struct {
	mu    sync.Mutex
	calls int
	fail  int  // 1 is the first; 0: none
	after bool // it takes effect and fails all the same
	fired bool
}

// call runs a call, or fails before or after it.
func (f *faults) call(do func() error) error {
	f.mu.Lock()
	f.calls++
	mine := f.calls == f.fail
	f.fired = f.fired || mine
	f.mu.Unlock()
	if mine && !f.after {
		return errInjected
	}
	if err := do(); err != nil {
		return err
	}
	if mine {
		return errInjected
	}
	return nil
}

// A world is everything that retain works with, in memory.
type world struct {
	faults
	t       *testing.T
	now     time.Time
	clock   retain.Clock  // of the service, and the keyring's but for the skew
	skew    time.Duration // of the keyring's clock
	servers []retain.Server
	records map[string]*itemv1.Record
	open    map[string]bool      // buckets that live
	closed  map[string]bool      // of those, the closed ones
	last    map[string]time.Time // last day of each bucket
	gone    map[string]uint64    // generation
	said    []proto.Message
	ids     map[string]bool
	tickets map[string][]*ticketv1.LayersDestroyed
	acts    []string
	store   *memory.Store
	eraser  erase.Eraser
	config  retain.Config
	taken   map[string]string // "item layer" → plan that took its packet

	behind               atomic.Bool
	readerHolds, lagging bool
	forgets              atomic.Int64
	between              func() // runs once before a plan is stored
	meanwhile            func() // runs once before an erasure takes anything
	stays                string // a bucket that no nightly work empties
}

var start = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, now: start, records: map[string]*itemv1.Record{}, open: map[string]bool{}, closed: map[string]bool{}, last: map[string]time.Time{},
		gone: map[string]uint64{}, ids: map[string]bool{}, tickets: map[string][]*ticketv1.LayersDestroyed{}, taken: map[string]string{},
		store: memory.New(), config: retain.DefaultConfig(),
	}
	w.eraser = erase.Memory(w.store)
	w.config.MaxShare = 1
	return w
}

func (w *world) service() *retain.Service { return w.serviceWith(w) }

func (w *world) serviceWith(clock retain.Clock) *retain.Service {
	w.clock = clock
	return retain.New(w.config, retain.Deps{
		Log: slog.New(slog.DiscardHandler), Clock: clock, Keyring: ring{w}, Records: records{w}, Events: eventLog{w},
		Vault: faultyVault{w}, Eraser: faultyEraser{w}, Projections: w, Policy: retention.Standard(), Key: signer,
		Servers: w.servers,
	})
}

// Now is Clock.Now.
func (w *world) Now() time.Time { return w.now }

// bucket makes a bucket whose last day is some days from the start.
func (w *world) bucket(name string, days int) {
	w.open[name], w.last[name] = true, start.AddDate(0, 0, days)
}

// item makes a ticketed item with an original in one bucket and a view in another.
func (w *world) item(n int, rawBucket, viewBucket string, past ...string) string {
	id := event.Item("support", "INBOX", 1, uint32(n), 0)
	object := fmt.Sprintf("raw/2026/01/01/%s.%s", id, "01jggzzzzzzzzzzzzzzzzzzzz"+string(rune('0'+n%10)))
	if _, err := w.store.Put(w.t.Context(), object, strings.NewReader("sealed"), vault.PutOptions{}); err != nil {
		w.t.Fatal(err)
	}
	w.records[id] = &itemv1.Record{
		Item: id, State: itemv1.State_STATE_TICKETED, Ticket: event.Ticket(id),
		Layers: []*itemv1.Layer{
			{Kind: rawKind, State: itemv1.LayerState_LAYER_STATE_PRESENT, Object: object, Bucket: rawBucket, PastBuckets: past, KeyPacket: []byte{1}, Due: timestamppb.New(w.last[rawBucket])},
			{Kind: viewKind, State: itemv1.LayerState_LAYER_STATE_PRESENT, Bucket: viewBucket, KeyPacket: []byte{2}, Due: timestamppb.New(w.last[viewBucket])},
		},
	}
	return id
}

const (
	rawKind  = itemv1.LayerKind_LAYER_KIND_RAW
	viewKind = itemv1.LayerKind_LAYER_KIND_VIEW
)

// ring is the keyring as its contract describes it.
type ring struct{ *world }

func (r ring) Close(_ context.Context, request *keyringv1.Close) (out *keyringv1.Closed, err error) {
	err = r.call(func() error {
		out = &keyringv1.Closed{Clock: timestamppb.New(r.clock.Now().Add(r.skew))}
		for bucket := range r.open {
			if r.last[bucket].Before(request.GetBefore().AsTime()) {
				r.closed[bucket] = true
				out.Buckets = append(out.Buckets, bucket)
			}
		}
		return nil
	})
	return out, err
}

func (r ring) Destroy(_ context.Context, request *keyringv1.Destroy) (out *keyringv1.Forgotten, err error) {
	err = r.call(func() error {
		plan := request.GetPlan()
		live := map[string]bool{}
		for _, bucket := range plan.GetBuckets() {
			if r.open[bucket] {
				live[bucket] = true
			}
		}
		if len(live) > 0 {
			var own []*retentionv1.Target
			for _, record := range r.records {
				own = append(own, keys.Targets(record, live, plan.GetPlan())...)
			}
			if !bytes.Equal(keys.PlanHash(plan.GetBuckets(), own), plan.GetHash()) {
				return keys.PlanDiffers
			}
			if r.behind.Load() {
				return keys.JournalBehind
			}
			for _, target := range own {
				r.take(target.GetItem(), target.GetLayer(), plan.GetPlan())
			}
		}
		for bucket := range live {
			r.forget(bucket)
		}
		out = &keyringv1.Forgotten{Generation: 7, Time: timestamppb.New(r.now)}
		return nil
	})
	return out, err
}

func (w *world) take(item string, kind itemv1.LayerKind, plan string) {
	for _, layer := range w.records[item].GetLayers() {
		if layer.GetKind() != kind || layer.GetState() != itemv1.LayerState_LAYER_STATE_PRESENT {
			continue
		}
		key := item + " " + kind.String()
		if before := w.taken[key]; before != "" {
			w.t.Errorf("%s was taken by %s and again by %s", key, before, plan)
		}
		w.taken[key] = plan
		layer.State, layer.KeyPacket, layer.Plan, layer.Erased = itemv1.LayerState_LAYER_STATE_ERASED, nil, plan, timestamppb.New(w.now)
	}
}

func (w *world) forget(bucket string) {
	delete(w.open, bucket)
	delete(w.closed, bucket)
	w.gone[bucket] = 7
}

func (r ring) Erase(_ context.Context, request *keyringv1.Erase) (out *keyringv1.Forgotten, err error) {
	if r.meanwhile != nil {
		r.meanwhile()
		r.world.meanwhile = nil
	}
	err = r.call(func() error {
		for _, item := range request.GetItems() {
			if len(r.records[item].GetHolds()) > 0 {
				return keys.Held
			}
			for _, layer := range r.records[item].GetLayers() {
				if len(request.GetLayers()) == 0 || slices.Contains(request.GetLayers(), layer.GetKind()) {
					r.take(item, layer.GetKind(), request.GetRequest())
				}
			}
		}
		out = &keyringv1.Forgotten{Generation: 7, Time: timestamppb.New(r.now)}
		return nil
	})
	return out, err
}

// Forget re-keys every bucket that an erased layer was in.
func (r ring) Forget(context.Context) (out *keyringv1.Forgotten, err error) {
	r.forgets.Add(1)
	err = r.call(func() error {
		dirty := map[string]bool{}
		for _, record := range r.records {
			for _, layer := range record.GetLayers() {
				if layer.GetState() == itemv1.LayerState_LAYER_STATE_ERASED {
					for _, bucket := range append([]string{layer.GetBucket()}, layer.GetPastBuckets()...) {
						dirty[bucket] = r.open[bucket] && bucket != r.stays
					}
				}
			}
		}
		if r.behind.Load() {
			return keys.JournalBehind
		}
		for bucket, is := range dirty {
			if !is {
				continue
			}
			fresh := bucket + "+"
			r.open[fresh], r.last[fresh] = true, r.last[bucket]
			for _, record := range r.records {
				for _, layer := range record.GetLayers() {
					if layer.GetState() == itemv1.LayerState_LAYER_STATE_PRESENT && layer.GetBucket() == bucket {
						layer.Bucket, layer.PastBuckets = fresh, append(layer.PastBuckets, bucket)
					}
				}
			}
			r.forget(bucket)
		}
		out = &keyringv1.Forgotten{Generation: 7, Time: timestamppb.New(r.now)}
		return nil
	})
	return out, err
}

func (r ring) Attest(_ context.Context, request *keyringv1.Attest) (out *keyringv1.Attested, err error) {
	err = r.call(func() error {
		if r.readerHolds {
			return keys.InUse
		}
		out = &keyringv1.Attested{Generation: 7, Cell: "file:disk", Time: timestamppb.New(r.now)}
		for _, bucket := range request.GetBuckets() {
			generation, gone := r.gone[bucket]
			out.Gone = append(out.Gone, &keyringv1.Gone{Bucket: bucket, Gone: gone, Generation: generation, Time: timestamppb.New(r.now)})
		}
		return nil
	})
	return out, err
}

type records struct{ *world }

func (r records) All(context.Context) iter.Seq2[*itemv1.Record, error] {
	return func(yield func(*itemv1.Record, error) bool) {
		if err := r.call(func() error { return nil }); err != nil {
			yield(nil, err)
			return
		}
		for _, id := range slices.Sorted(maps.Keys(r.world.records)) {
			if !yield(proto.CloneOf(r.world.records[id]), nil) {
				return
			}
		}
	}
}

func (r records) Get(_ context.Context, item string) (record *itemv1.Record, err error) {
	err = r.call(func() error {
		if found := r.world.records[item]; found != nil {
			record = proto.CloneOf(found)
		}
		return nil
	})
	return record, err
}

type eventLog struct{ *world }

func (l eventLog) All(context.Context) iter.Seq2[retain.Said, error] {
	return func(yield func(retain.Said, error) bool) {
		if err := l.call(func() error { return nil }); err != nil {
			yield(retain.Said{}, err)
			return
		}
		for i, said := range l.said {
			if !yield(retain.Said{Event: said, Time: l.now, Sequence: uint64(i + 1)}, nil) {
				return
			}
		}
	}
}

func (l eventLog) Say(_ context.Context, cause string, said proto.Message) error {
	return l.call(func() error {
		if id := cause + " " + event.Name(said); !l.ids[id] {
			l.ids[id] = true
			l.said = append(l.said, proto.Clone(said))
		}
		return nil
	})
}

func (l eventLog) Plan(_ context.Context, after uint64, plan *retentionv1.Planned) (sequence uint64, err error) {
	if l.between != nil {
		l.between()
	}
	err = l.call(func() error {
		for i, said := range l.said {
			if _, is := said.(*retentionv1.Planned); is && uint64(i+1) > after {
				return retain.ErrRace
			}
		}
		l.said = append(l.said, proto.CloneOf(plan))
		sequence = uint64(len(l.said))
		return nil
	})
	return sequence, err
}

func (l eventLog) SayOfTicket(_ context.Context, cause, ticket, _ string, said proto.Message) error {
	return l.call(func() error {
		if id := cause + " " + ticket; !l.ids[id] {
			l.ids[id] = true
			l.tickets[ticket] = append(l.tickets[ticket], said.(*ticketv1.LayersDestroyed))
		}
		return nil
	})
}

func (l eventLog) Record(_ context.Context, act *auditv1.Act) error {
	return l.call(func() error {
		l.acts = append(l.acts, strings.TrimSpace(strings.Join([]string{act.GetAction(), act.GetActor(), act.GetOutcome(), string(act.GetReason())}, " ")))
		return nil
	})
}

// Caught is Projections.Caught: the read model has what was said, unless it lags.
func (w *world) Caught(_ context.Context, ticket string, layers []itemv1.LayerKind) (caught bool, err error) {
	err = w.call(func() error {
		seen := map[itemv1.LayerKind]bool{}
		for _, said := range w.tickets[ticket] {
			for _, kind := range said.GetLayers() {
				seen[kind] = true
			}
		}
		caught = !w.lagging
		for _, kind := range layers {
			caught = caught && seen[kind]
		}
		return nil
	})
	return caught, err
}

// faultyVault counts the calls that store and read.
type faultyVault struct{ *world }

func (v faultyVault) Put(ctx context.Context, name string, body io.Reader, opts vault.PutOptions) (object vault.Object, err error) {
	err = v.call(func() error { object, err = v.store.Put(ctx, name, body, opts); return err })
	return object, err
}

func (v faultyVault) Get(ctx context.Context, name string) (body io.ReadCloser, object vault.Object, err error) {
	err = v.call(func() error { body, object, err = v.store.Get(ctx, name); return err })
	return body, object, err
}

func (v faultyVault) Stat(ctx context.Context, name string) (vault.Object, error) {
	return v.store.Stat(ctx, name)
}

func (v faultyVault) List(ctx context.Context, prefix, after string) iter.Seq2[vault.Object, error] {
	return v.store.List(ctx, prefix, after)
}

type faultyEraser struct{ *world }

func (e faultyEraser) Erase(ctx context.Context, name string) (report erase.Report, err error) {
	err = e.call(func() error { report, err = e.eraser.Erase(ctx, name); return err })
	return report, err
}

func (e faultyEraser) Remains(ctx context.Context, name string) (erase.Report, error) {
	return e.eraser.Remains(ctx, name)
}

func (e faultyEraser) Sweep(ctx context.Context, prefix string, before time.Time) (int, error) {
	return e.eraser.Sweep(ctx, prefix, before)
}

// lockStore puts the world's objects into a store with object lock.
func lockStore(t *testing.T, w *world) {
	t.Helper()
	locked := memory.New().WithLock()
	for object, err := range w.store.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := locked.Put(t.Context(), object.Name, strings.NewReader("sealed"), vault.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.store, w.eraser = locked, erase.Memory(locked)
}
