package retain_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/services/retain"
)

// One leads at a time; when it ends, another does.
func TestOneLeadsAtATimeAndAnotherFollows(t *testing.T) {
	server := bustest.Start(t)
	ctx := bustest.Context(t)
	var inside atomic.Int32
	lead := func(ctx context.Context, leads chan<- int, name int) <-chan error {
		ended := make(chan error, 1)
		leader := retain.NewBusLeader(server.Connect(t, "retain"))
		go func() {
			ended <- leader.Lead(ctx, func(held context.Context) error {
				if inside.Add(1) != 1 {
					t.Error("two lead at once")
				}
				defer inside.Add(-1)
				leads <- name
				<-held.Done()
				return held.Err()
			})
		}()
		return ended
	}
	leads := make(chan int, 2)
	ctxs, ends := map[int]context.CancelFunc{}, map[int]<-chan error{}
	for name := range 2 {
		own, cancel := context.WithCancel(ctx)
		defer cancel()
		ctxs[name], ends[name] = cancel, lead(own, leads, name)
	}
	await := func() int {
		select {
		case name := <-leads:
			return name
		case <-ctx.Done():
			t.Fatal("nobody leads")
			return -1
		}
	}
	first := await()
	ctxs[first]()
	<-ends[first]
	if second := await(); second == first {
		t.Error("who has ended leads on")
	}
}
