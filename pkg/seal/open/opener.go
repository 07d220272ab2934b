package open

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// MaxItems is the most items that one request may name.
const MaxItems = 64

// Defaults of OpenerOptions.
const (
	DefaultGather  = 1500 * time.Microsecond
	DefaultLongest = 25 * time.Millisecond
	DefaultTimeout = 10 * time.Second
)

// An Ask is the wish to open one layer of one item.
type Ask struct {
	Purpose string // keys.ForVerify and so on
	Layer   itemv1.LayerKind
	Item    string

	// The rest is for people's wishes: who, on which ticket, why (sealed), and who agreed.
	Actor      string
	Ticket     string
	Value      int32
	Reason     []byte
	ApprovedBy string
}

// A Key is what opens one layer of one item. Whoever got it calls Clear when the mail at
// hand is done.
type Key struct {
	Item    string
	Session *seal.SessionKey
	// Layer is the layer as the record has it now.
	Layer *itemv1.Layer
}

// Clear overwrites the session key. It may be called on nil.
func (k *Key) Clear() {
	if k != nil {
		k.Session.Clear()
	}
}

// An Outcome is a key, or why there is none.
type Outcome struct {
	Key *Key
	Err error // a keys.Refusal where the keyring refused this item
}

// OpenerOptions may be left zero.
type OpenerOptions struct {
	// Gather is how long a worker's single ask waits for others to share a request.
	Gather time.Duration
	// Longest is how long it waits for a request of the same kind that is under way: the
	// busier the keyring, the more asks share what each request costs it.
	Longest time.Duration
	// Timeout of one gathered request.
	Timeout time.Duration
}

// An Opener asks the keyring for session keys. It may be used by many goroutines at once.
type Opener struct {
	client *keys.Client
	opts   OpenerOptions

	mu      sync.Mutex
	waiting map[group]*gathered
	flying  map[group]int // requests under way
}

// A group is what asks must have in common to share a request.
type group struct {
	purpose string
	layer   itemv1.LayerKind
}

type gathered struct {
	ctx   context.Context
	ripe  bool // it has gathered long enough, and leaves when the request before it is back
	items []string
	// Those who wait, by item: two who want the same item share its key packet, not its key.
	waiters map[string][]*waiter
}

type waiter struct {
	mu      sync.Mutex
	outcome chan Outcome
	gone    bool
}

// NewOpener makes an opener that asks in the name of the client's service.
func NewOpener(client *keys.Client, opts OpenerOptions) *Opener {
	if opts.Gather <= 0 {
		opts.Gather = DefaultGather
	}
	if opts.Longest <= 0 {
		opts.Longest = DefaultLongest
	}
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	return &Opener{client: client, opts: opts, waiting: make(map[group]*gathered), flying: make(map[group]int)}
}

// Open asks for one key. Asks of workers (no actor) that come within the gathering time
// travel in one request; a person's wish travels alone, because its record is its own.
func (o *Opener) Open(ctx context.Context, a Ask) (*Key, error) {
	if a.Actor != "" || a.Ticket != "" || a.Value != 0 || len(a.Reason) > 0 || a.ApprovedBy != "" {
		out, err := o.Many(ctx, a, []string{a.Item})
		if err != nil {
			return nil, err
		}
		return out[0].Key, out[0].Err
	}
	w := &waiter{outcome: make(chan Outcome, 1)}
	o.join(ctx, group{a.Purpose, a.Layer}, a.Item, w)
	select {
	case out := <-w.outcome:
		return out.Key, out.Err
	case <-ctx.Done():
		w.leave()
		return nil, fmt.Errorf("open %s: %w", a.Item, ctx.Err())
	}
}

// Many asks for one layer of up to MaxItems different items in one request. The outcomes
// are in the order of the items. The ask's own item is not looked at.
func (o *Opener) Many(ctx context.Context, a Ask, items []string) ([]Outcome, error) {
	if len(items) == 0 || len(items) > MaxItems {
		return nil, fmt.Errorf("open: %d items in one request, at most %d", len(items), MaxItems)
	}
	return o.request(ctx, &keyringv1.Open{
		Purpose: a.Purpose, Layer: a.Layer, Items: items, Actor: a.Actor, Ticket: a.Ticket,
		Value: a.Value, Reason: a.Reason, ApprovedBy: a.ApprovedBy,
	})
}

// Packets asks for the session keys of key packets that belong to no item: the journal's.
// Each packet has its bucket beside it.
func (o *Opener) Packets(ctx context.Context, packets [][]byte, buckets []string) ([]Outcome, error) {
	if len(packets) == 0 || len(packets) > MaxItems || len(packets) != len(buckets) {
		return nil, fmt.Errorf("open: %d packets and %d buckets in one request, at most %d", len(packets), len(buckets), MaxItems)
	}
	return o.request(ctx, &keyringv1.Open{
		Purpose: keys.ForRebuild, Layer: itemv1.LayerKind_LAYER_KIND_JOURNAL, Packets: packets, Buckets: buckets,
	})
}

// Directory asks for the key of the tokens by which customers are found, in the name of an
// actor, or of the service where there is none. Whoever got it clears it.
func (o *Opener) Directory(ctx context.Context, actor string) (*seal.SessionKey, error) {
	out, err := o.request(ctx, &keyringv1.Open{Purpose: keys.ForDirectory, Actor: actor})
	if err != nil {
		return nil, err
	}
	if out[0].Err != nil {
		return nil, out[0].Err
	}
	return out[0].Key.Session, nil
}

func (o *Opener) request(ctx context.Context, ask *keyringv1.Open) ([]Outcome, error) {
	reply, err := newReplyOpener()
	if err != nil {
		return nil, err
	}
	ask.ReplyKey = reply.public()
	var opened keyringv1.Opened
	nonce, err := o.client.Ask(ctx, keys.OpOpen+ask.Purpose, ask, &opened)
	if err != nil {
		return nil, err
	}
	want := max(len(ask.Items), len(ask.Packets), 1) // the directory's key is of neither
	if len(opened.Keys) != want {
		return nil, fmt.Errorf("open: %d keys for %d asked", len(opened.Keys), want)
	}
	if len(opened.Encapsulated) > 0 {
		if err := reply.begin(opened.Encapsulated, nonce); err != nil {
			return nil, err
		}
	}
	out := make([]Outcome, want)
	for i, k := range opened.Keys {
		item := ""
		if len(ask.Items) > 0 {
			item = ask.Items[i]
		}
		out[i] = outcome(reply, item, k)
		// Keys are sealed in sequence (RFC 9180 §5.2): past one that does not open, none does.
		if out[i].Err != nil && k.Refusal == "" {
			for _, o := range out {
				o.Key.Clear()
			}
			return nil, out[i].Err
		}
	}
	return out, nil
}

func outcome(reply *replyOpener, item string, k *keyringv1.Key) Outcome {
	switch {
	case k.Refusal != "":
		return Outcome{Err: fmt.Errorf("open %s: %w", item, keys.Refusal(k.Refusal))}
	case k.Item != item:
		return Outcome{Err: errors.New("open: answer names another item")}
	case reply.recipient == nil:
		return Outcome{Err: errors.New("open: answer without an encapsulated key")}
	}
	session, err := reply.open(item, k.Sealed)
	if err != nil {
		return Outcome{Err: err}
	}
	return Outcome{Key: &Key{Item: item, Session: session, Layer: k.Layer}}
}

// join puts a waiter into the group's next request, which leaves when it is full; or when
// the gathering time is over and no other is under way; or when it has waited longest.
func (o *Opener) join(ctx context.Context, g group, item string, w *waiter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	batch := o.waiting[g]
	if batch == nil {
		// The request outlives whoever began it: others ride in it.
		batch = &gathered{ctx: context.WithoutCancel(ctx), waiters: make(map[string][]*waiter)}
		o.waiting[g] = batch
		time.AfterFunc(o.opts.Gather, func() { o.ripen(g, batch) })
	}
	if _, there := batch.waiters[item]; !there {
		batch.items = append(batch.items, item)
	}
	batch.waiters[item] = append(batch.waiters[item], w)
	if len(batch.items) == MaxItems {
		o.leave(g, batch)
	}
}

// ripen is called when a batch has gathered long enough.
func (o *Opener) ripen(g group, batch *gathered) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.waiting[g] != batch: // it has left
	case o.flying[g] == 0:
		o.leave(g, batch)
	default:
		batch.ripe = true
		time.AfterFunc(o.opts.Longest-o.opts.Gather, func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			if o.waiting[g] == batch {
				o.leave(g, batch)
			}
		})
	}
}

// leave sends a batch on its way. The caller holds the lock.
func (o *Opener) leave(g group, batch *gathered) {
	delete(o.waiting, g)
	o.flying[g]++
	go o.send(g, batch)
}

// landed lets the next batch leave where it waited for this one.
func (o *Opener) landed(g group) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flying[g]--
	if next := o.waiting[g]; next != nil && next.ripe && o.flying[g] == 0 {
		o.leave(g, next)
	}
}

func (o *Opener) send(g group, batch *gathered) {
	ctx, cancel := context.WithTimeout(batch.ctx, o.opts.Timeout)
	defer cancel()
	outcomes, err := o.request(ctx, &keyringv1.Open{Purpose: g.purpose, Layer: g.layer, Items: batch.items})
	o.landed(g)
	for i, item := range batch.items {
		waiters := batch.waiters[item]
		for n, w := range waiters {
			switch {
			case err != nil:
				w.give(Outcome{Err: err})
			case n == len(waiters)-1 || outcomes[i].Key == nil:
				w.give(outcomes[i])
			default: // each clears a key of its own
				k := outcomes[i].Key
				w.give(Outcome{Key: &Key{Item: k.Item, Session: k.Session.Clone(), Layer: k.Layer}})
			}
		}
	}
}

// give hands an outcome to a waiter, or clears the key where nobody waits any more.
func (w *waiter) give(out Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone {
		out.Key.Clear()
		return
	}
	w.outcome <- out
}

func (w *waiter) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = true
	select {
	case out := <-w.outcome:
		out.Key.Clear()
	default:
	}
}
