package keys_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/keys"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// A counter answers registrations with their UID, each request after a second.
type counter struct {
	mu     sync.Mutex
	bodies []int // of each request, in the order of their coming
	alone  map[uint32]bool
	err    error
	refuse string
	short  bool // one answer too few
}

func (c *counter) Request(ctx context.Context, _ string, request []byte) ([]byte, error) {
	var signed keyringv1.Signed
	if err := proto.Unmarshal(request, &signed); err != nil {
		return nil, err
	}
	if err := keys.Verify(&signed); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.bodies = append(c.bodies, len(signed.Bodies))
	c.mu.Unlock()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c.err != nil {
		return nil, c.err
	}
	if len(signed.Bodies) == 0 {
		return proto.Marshal(answerTo(signed.Body))
	}
	out := &keyringv1.Answer{Refusal: c.refuse}
	for _, body := range signed.Bodies {
		one := answerTo(body)
		if c.alone[uidOf(body)] {
			one = &keyringv1.Answer{Alone: true}
		}
		out.Answers = append(out.Answers, one)
	}
	if c.short {
		out.Answers = out.Answers[1:]
	}
	return proto.Marshal(out)
}

func uidOf(body []byte) uint32 {
	var r keyringv1.Register
	_ = proto.Unmarshal(body, &r)
	return r.Uid
}

func answerTo(body []byte) *keyringv1.Answer {
	recorded, _ := proto.Marshal(&keyringv1.Recorded{Sequence: uint64(uidOf(body))})
	return &keyringv1.Answer{Body: recorded}
}

// ask has n callers ask at once and gives their errors.
func (c *counter) ask(t *testing.T, n int, padding int) (errs []error) {
	client := keys.NewClient(c, newSigner(t), fixedClock(noon))
	errs = make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			r := &keyringv1.Register{Uid: uint32(i + 1), RawDigest: make([]byte, padding)}
			got, err := client.Register(t.Context(), r)
			if err == nil && got.Sequence != uint64(i+1) {
				err = fmt.Errorf("caller %d has the answer to %d", i+1, got.Sequence)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return errs
}

func TestWhoComesAloneIsSentAloneAndWhoWaitsGoesTogether(t *testing.T) {
	for name, c := range map[string]struct {
		callers, padding int
		want             []int
	}{
		"one":           {1, 0, []int{0}},
		"two":           {2, 0, []int{0, 0}},
		"ten":           {10, 0, []int{0, 0, 8}},
		"at the limit":  {2 + keys.MaxBodies, 0, []int{0, 0, keys.MaxBodies}},
		"one past it":   {3 + keys.MaxBodies, 0, []int{0, 0, 0, keys.MaxBodies}},
		"large ones":    {6, keys.MaxBodiesBytes/2 - 64, []int{0, 0, 2, 2}},
		"over the room": {4, keys.MaxBodiesBytes, []int{0, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bus := new(counter)
				if err := errors.Join(bus.ask(t, c.callers, c.padding)...); err != nil {
					t.Fatal(err)
				}
				slices.Sort(bus.bodies)
				if !slices.Equal(bus.bodies, c.want) {
					t.Errorf("requests of %v bodies, want %v", bus.bodies, c.want)
				}
			})
		})
	}
}

func TestOneWithoutAnAnswerAmongTheOthersAsksAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &counter{alone: map[uint32]bool{}}
		for uid := range uint32(11) {
			bus.alone[uid] = true
		}
		if err := errors.Join(bus.ask(t, 10, 0)...); err != nil {
			t.Fatal(err)
		}
		if len(bus.bodies) != 2+1+8 {
			t.Errorf("%d requests", len(bus.bodies))
		}
	})
}

func TestWhatBefallsARequestBefallsAllInIt(t *testing.T) {
	lost := errors.New("lost")
	for name, c := range map[string]struct {
		bus  *counter
		want func(error) bool
	}{
		"an error":          {&counter{err: lost}, func(err error) bool { return errors.Is(err, lost) }},
		"a refusal":         {&counter{refuse: "stale_request"}, func(err error) bool { r, _ := keys.RefusalOf(err); return r == keys.StaleRequest }},
		"an answer too few": {&counter{short: true}, func(err error) bool { return err != nil }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hit := 0
				for _, err := range c.bus.ask(t, 10, 0) {
					if c.want(err) {
						hit++
					}
				}
				if hit < 8 { // the first two went alone
					t.Errorf("%d of 8 heard of it", hit)
				}
			})
		})
	}
}

// Who gives up while waiting is left behind; who gives up on the way spoils nothing for others.
func TestWhoGivesUpSpoilsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := new(counter)
		client := keys.NewClient(bus, newSigner(t), fixedClock(noon))
		var wg sync.WaitGroup
		ask := func(uid uint32, limit time.Duration, want bool) {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				got, err := client.Register(ctx, &keyringv1.Register{Uid: uid})
				if (err == nil) != want || (want && got.Sequence != uint64(uid)) {
					t.Errorf("UID %d: %v, %v", uid, got, err)
				}
			})
			synctest.Wait()
		}
		ask(1, time.Minute, true)
		ask(2, time.Minute, true)
		ask(3, 500*time.Millisecond, false)  // waits, and gives up
		ask(4, 1500*time.Millisecond, false) // gives up on the way, and was the first of its request
		ask(5, time.Minute, true)
		wg.Wait()
		if want := []int{0, 0, 2}; !slices.Equal(bus.bodies, want) {
			t.Errorf("requests of %v bodies, want %v", bus.bodies, want)
		}
	})
}

// A thrower panics with what it was asked.
type thrower struct{}

func (thrower) Request(context.Context, string, []byte) ([]byte, error) {
	panic("a customer's words")
}

func TestAPanicOnTheWayIsAnErrorThatQuotesNothing(t *testing.T) {
	client := keys.NewClient(thrower{}, newSigner(t), fixedClock(noon))
	var wg sync.WaitGroup
	for range 3 * keys.MaxBodies {
		wg.Go(func() {
			_, err := client.Register(t.Context(), &keyringv1.Register{Uid: 1})
			if err == nil || strings.Contains(err.Error(), "customer") {
				t.Errorf("error %v", err)
			}
		})
	}
	wg.Wait()
}
