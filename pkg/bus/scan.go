package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
)

// Size of one batch of a scan.
const (
	scanBatch = maxPull
	scanBytes = 4 << 20
)

// errTorn: part of a batch was lost on the way; it is asked for again.
var errTorn = errors.New("batch arrived incomplete")

// A ScanOption narrows a scan.
type ScanOption func(*scanning)

type scanning struct {
	filter      string
	headersOnly bool
}

// Matching yields only messages whose subject matches filter.
func Matching(filter string) ScanOption { return func(s *scanning) { s.filter = filter } }

// HeadersOnly yields messages without payload. It needs the consumer that the topology
// declares for this service and stream, takes one scan at a time, and takes no Matching.
func HeadersOnly() ScanOption { return func(s *scanning) { s.headersOnly = true } }

// Scan yields what stream keeps from sequence from on, in order, up to its end as it is
// when the scan gets there. An error ends it, and is yielded once.
func (c *Conn) Scan(ctx context.Context, stream string, from uint64, opts ...ScanOption) iter.Seq2[*Message, error] {
	var s scanning
	for _, opt := range opts {
		opt(&s)
	}
	if s.headersOnly {
		return c.scanHeaders(ctx, stream, from)
	}
	return func(yield func(*Message, error) bool) {
		inbox := c.nc.NewInbox()
		sub, err := c.nc.SubscribeSync(inbox)
		if err != nil {
			yield(nil, fmt.Errorf("scan %s: %w", stream, err))
			return
		}
		defer func() { _ = sub.Unsubscribe() }()
		next, torn := max(from, 1), 0
		for {
			var batch []*Message
			var left uint64
			err := c.around(Call{CallScan, stream}, func() (err error) {
				batch, left, err = c.batch(ctx, sub, stream, next, s.filter)
				return err
			})
			if errors.Is(err, errTorn) && torn < 3 {
				// Answers of the broken batch may still be on their way to the old inbox.
				torn++
				_ = sub.Unsubscribe()
				if sub, err = c.nc.SubscribeSync(c.nc.NewInbox()); err == nil {
					continue
				}
			}
			if err != nil {
				yield(nil, fmt.Errorf("scan %s from %d: %w", stream, next, err))
				return
			}
			torn = 0
			for _, msg := range batch {
				if !yield(msg, nil) {
					return
				}
				next = msg.Sequence + 1
			}
			if left == 0 || len(batch) == 0 {
				return
			}
		}
	}
}

// batch asks for up to scanBatch messages from sequence next on, and returns how
// many are left behind them.
func (c *Conn) batch(ctx context.Context, sub *nats.Subscription, stream string, next uint64, filter string) ([]*Message, uint64, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	request := map[string]any{"seq": next, "batch": scanBatch, "max_bytes": scanBytes}
	if filter != "" {
		request["next_by_subj"] = filter
	}
	data, _ := json.Marshal(request)
	subject := c.api + "DIRECT.GET." + stream
	wait := c.denials.watch(subject, cancel)
	defer wait.done()
	if err := c.nc.PublishRequest(subject, sub.Subject, data); err != nil {
		return nil, 0, err
	}
	var batch []*Message
	var last uint64
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			if reason := wait.reason(); reason != nil {
				return nil, 0, reason
			}
			if errors.Is(err, nats.ErrNoResponders) {
				return nil, 0, ErrNobody
			}
			return nil, 0, err
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "204": // end of the batch
			if before, err := strconv.ParseUint(own(m, headerBefore), 10, 64); err != nil || before != last {
				return nil, 0, errTorn
			}
			left, err := strconv.ParseUint(own(m, headerPending), 10, 64)
			return batch, left, err
		case "404":
			return nil, 0, nil
		case "503":
			return nil, 0, ErrNobody
		default:
			return nil, 0, fmt.Errorf("server answers %s", status)
		}
		// Each names the one before it: a gap means that one was lost on the way.
		if before, err := strconv.ParseUint(own(m, headerBefore), 10, 64); err != nil || before != last {
			return nil, 0, errTorn
		}
		msg, err := stored(m)
		if err != nil {
			return nil, 0, err
		}
		batch, last = append(batch, msg), msg.Sequence
	}
}

// locks holds one lock a name.
type locks struct {
	mu    sync.Mutex
	named map[string]chan struct{}
}

// take waits for the lock of name and returns its release.
func (l *locks) take(ctx context.Context, name string) (func(), error) {
	l.mu.Lock()
	if l.named == nil {
		l.named = make(map[string]chan struct{})
	}
	lock := l.named[name]
	if lock == nil {
		lock = make(chan struct{}, 1)
		l.named[name] = lock
	}
	l.mu.Unlock()
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
