package ingest

import (
	"context"
	"sync"
	"time"
)

// laggardAfter is how long a mail that streams in may hold one of the places that all mailboxes share.
const laggardAfter = 10 * time.Second

// streams are the places for mails that are sealed and stored as they come in, Config.Streams of them.
// A mail in no hurry gives its place to the next: it goes on among the laggards, for whom there are as many
// again. So no mailbox whose server trickles keeps the places from the others, until so
// many trickle at once that memory would have to grow with them.
type streams struct {
	places   chan struct{}
	laggards chan struct{}
	patience time.Duration
}

func newStreams(n int) *streams {
	return &streams{places: make(chan struct{}, n), laggards: make(chan struct{}, n), patience: laggardAfter}
}

// enter waits for a place. What it returns gives the place back.
func (s *streams) enter(ctx context.Context) (leave func(), err error) {
	select {
	case s.places <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	var (
		mu   sync.Mutex
		held = s.places // nil: given back
		move *time.Timer
	)
	mu.Lock()
	defer mu.Unlock()
	move = time.AfterFunc(s.patience, func() {
		mu.Lock()
		defer mu.Unlock()
		if held == nil {
			return
		}
		select {
		case s.laggards <- struct{}{}:
			<-held
			held = s.laggards
		default: // as many lag already: it keeps its place until one of them is done
			move.Reset(s.patience)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		move.Stop()
		if held != nil {
			<-held
			held = nil
		}
	}, nil
}
