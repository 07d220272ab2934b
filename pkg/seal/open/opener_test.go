package open_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// A ring is a keyring that knows no item and takes its time.
type ring struct {
	t      *testing.T
	answer chan struct{} // one value lets one request be answered; closed: all

	mu    sync.Mutex
	asked [][]string
}

func (r *ring) Request(ctx context.Context, _ string, body []byte) ([]byte, error) {
	var signed keyringv1.Signed
	var ask keyringv1.Open
	if err := errors.Join(proto.Unmarshal(body, &signed), proto.Unmarshal(signed.Body, &ask)); err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	r.asked = append(r.asked, ask.Items)
	r.mu.Unlock()
	select {
	case <-r.answer:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	opened := new(keyringv1.Opened)
	for _, item := range ask.Items {
		opened.Keys = append(opened.Keys, &keyringv1.Key{Item: item, Refusal: string(keys.UnknownItem)})
	}
	inner, err := proto.Marshal(opened)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(&keyringv1.Answer{Body: inner})
}

// sizes are how many items each request named.
func (r *ring) sizes() (sizes []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, items := range r.asked {
		sizes = append(sizes, len(items))
	}
	return sizes
}

type wall struct{}

func (wall) Now() time.Time { return time.Now() }

func newOpener(t *testing.T) (*open.Opener, *ring) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := keys.NewSigner(seed)
	if err != nil {
		t.Fatal(err)
	}
	r := &ring{t: t, answer: make(chan struct{})}
	return open.NewOpener(keys.NewClient(r, signer, wall{}), open.OpenerOptions{}), r
}

// ask begins to ask for n items, the first with this number.
func ask(t *testing.T, o *open.Opener, first, n int) (done func()) {
	t.Helper()
	var asking sync.WaitGroup
	for i := range n {
		asking.Go(func() {
			_, err := o.Open(t.Context(), open.Ask{Purpose: keys.ForScan, Layer: itemv1.LayerKind_LAYER_KIND_RAW, Item: fmt.Sprint(first + i)})
			if code, refused := keys.RefusalOf(err); !refused || code != keys.UnknownItem {
				t.Errorf("item %d: %v", first+i, err)
			}
		})
	}
	return asking.Wait
}

func TestAsksOfTheSameMomentTravelTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ring := newOpener(t)
		close(ring.answer)
		ask(t, o, 0, 5)()
		ask(t, o, 5, 1)()
		if got := ring.sizes(); !slices.Equal(got, []int{5, 1}) {
			t.Errorf("requests of %v items", got)
		}
	})
}

func TestAsksWaitForTheRequestUnderWayAndLeaveTogetherWhenItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ring := newOpener(t)
		first := ask(t, o, 0, 1)
		time.Sleep(open.DefaultGather)
		synctest.Wait() // the first request is under way
		second := ask(t, o, 1, 3)
		time.Sleep(2 * open.DefaultGather)
		third := ask(t, o, 4, 2)
		synctest.Wait()
		if got := ring.sizes(); !slices.Equal(got, []int{1}) {
			t.Fatalf("before the answer: requests of %v items", got)
		}
		close(ring.answer)
		first()
		second()
		third()
		if got := ring.sizes(); !slices.Equal(got, []int{1, 5}) {
			t.Errorf("requests of %v items", got)
		}
	})
}

func TestARequestThatDoesNotComeBackHoldsNobodyUpForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ring := newOpener(t)
		stuck := ask(t, o, 0, 1)
		time.Sleep(open.DefaultGather)
		synctest.Wait()
		other := ask(t, o, 1, 1)
		time.Sleep(open.DefaultLongest - time.Nanosecond)
		synctest.Wait()
		if got := ring.sizes(); !slices.Equal(got, []int{1}) {
			t.Errorf("before it had waited longest: requests of %v items", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := ring.sizes(); !slices.Equal(got, []int{1, 1}) {
			t.Errorf("after it had waited longest: requests of %v items", got)
		}
		close(ring.answer)
		stuck()
		other()
	})
}

func TestAFullRequestLeavesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, ring := newOpener(t)
		first := ask(t, o, 0, 1)
		time.Sleep(open.DefaultGather)
		synctest.Wait()
		full := ask(t, o, 1, open.MaxItems)
		synctest.Wait() // no time has passed
		if got := ring.sizes(); !slices.Equal(got, []int{1, open.MaxItems}) {
			t.Errorf("requests of %v items", got)
		}
		close(ring.answer)
		first()
		full()
	})
}
