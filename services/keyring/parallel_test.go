package keyring

import (
	"fmt"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/keys"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

func TestOfManyAttemptsAtOneMailOneIsRegistered(t *testing.T) {
	w := newWorld(t)
	w.start()
	var wg sync.WaitGroup
	var mu sync.Mutex
	changed := 0
	objects := map[string]bool{}
	for range 20 {
		r := w.registration(1, "hello")
		wg.Go(func() {
			got, err := w.client("ingest").Register(t.Context(), r)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if got.Changed {
				changed++
			}
			objects[got.Record.Layers[0].Object] = true
		})
	}
	wg.Wait()
	if changed != 1 || len(objects) != 1 {
		t.Errorf("%d of 20 attempts were registered, with %d objects", changed, len(objects))
	}
}

// Holds and a destruction come at the same time: the plan is done as it was said, with no
// item that a hold had moved out, or not at all, and then every item still opens.
func TestHoldsAndADestructionNeverPassEachOther(t *testing.T) {
	w := newWorld(t)
	w.start()
	const n = 24
	items := make([]string, n)
	for i := range items {
		items[i] = w.ticketed(fmt.Sprint("mail ", i), 3)
	}
	w.pastGrace()
	w.pass(2 * day)
	plan := w.plan("plan")
	if len(plan.Targets) != n {
		t.Fatalf("%d targets", len(plan.Targets))
	}
	w.journalled()

	var wg sync.WaitGroup
	for _, item := range items {
		wg.Go(func() {
			hold := &keyringv1.Hold{Hold: "h", Items: []string{item}, Actor: "paula", Reason: []byte("x")}
			w.client("desk").Hold(t.Context(), hold) //nolint:errcheck // it may come too late
		})
		wg.Go(func() { w.opens(item, raw) }) //nolint:errcheck // it may be gone
	}
	var destroyErr error
	wg.Go(func() {
		_, destroyErr = w.client("retain").Destroy(t.Context(), &keyringv1.Destroy{Plan: proto.CloneOf(plan)})
	})
	wg.Wait()
	for i, item := range items {
		text, err := w.opens(item, raw)
		opens := err == nil && text == fmt.Sprint("mail ", i)
		switch {
		case destroyErr == nil && opens:
			t.Errorf("mail %d opens after the plan was done", i)
		case destroyErr != nil && !opens:
			t.Errorf("mail %d does not open though the plan was refused (%v): %v", i, destroyErr, err)
		}
	}
	if destroyErr != nil {
		code, is := keys.RefusalOf(destroyErr)
		if !is || (code != keys.PlanDiffers && code != keys.JournalBehind && code != keys.Held) {
			t.Errorf("the plan was refused with %v", destroyErr)
		}
	}
}

func FuzzRequest(f *testing.F) {
	w := newWorld(f)
	s, _ := w.start()
	signed, err := w.signers["ingest"].Sign("register", mustMarshal(w.registration(1, "hello")), w.clock.Now())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(mustMarshal(signed))
	f.Add([]byte{})
	f.Add(mustMarshal(&keyringv1.Signed{Operation: "register"}))
	handle := s.handler("register")
	f.Fuzz(func(t *testing.T, request []byte) {
		reply, err := handle(t.Context(), request)
		var a keyringv1.Answer
		if err != nil || proto.Unmarshal(reply, &a) != nil {
			t.Errorf("no answer: %v", err)
		}
	})
}

// A body that is signed by the right service may hold anything at all.
func FuzzBodies(f *testing.F) {
	w := newWorld(f)
	s, _ := w.start()
	item := w.mail("hello")
	operations := append(openOperations(), writeOperations()...)
	f.Add(0, mustMarshal(w.registration(2, "hello")))
	f.Add(7, mustMarshal(&keyringv1.Open{Purpose: "verify", Layer: raw, Items: []string{item}}))
	for i := range operations {
		f.Add(i, []byte{})
		f.Add(i, []byte("\x0a\x01x\x12\x00\x1a\x00\x22\x00\x2a\x00"))
	}
	f.Fuzz(func(t *testing.T, which int, body []byte) {
		operation := operations[uint(which)%uint(len(operations))]
		if operation == keys.OpForget {
			return // it has no body that counts
		}
		c := &call{service: "retain", operation: operation, nonce: make([]byte, 16), body: body}
		s.do(t.Context(), c) //nolint:errcheck // it must not panic
	})
}
