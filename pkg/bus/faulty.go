package bus

import (
	"errors"
	"sync"
)

// ErrFaulty is the failure that a Faulty makes.
var ErrFaulty = errors.New("made to fail")

// A Faulty makes one call of many fail, to prove that whoever calls survives it: count
// the calls of a good run, then let the i-th fail for every i. Use Around as Options.Around.
type Faulty struct {
	mu    sync.Mutex
	calls []Call
	fail  int
	after bool
	did   bool
}

// NewFaulty fails nothing and records.
func NewFaulty() *Faulty { return &Faulty{fail: -1} }

// FailBefore fails the i-th call, counted from 0, without making it.
func FailBefore(i int) *Faulty { return &Faulty{fail: i} }

// FailAfter makes the i-th call and then reports that it failed: an answer that was lost.
func FailAfter(i int) *Faulty { return &Faulty{fail: i, after: true} }

// Around passes calls on, but for the one.
func (f *Faulty) Around(call Call, do func() error) error {
	f.mu.Lock()
	mine := len(f.calls) == f.fail
	f.calls = append(f.calls, call)
	f.did = f.did || mine
	f.mu.Unlock()
	if !mine {
		return do()
	}
	if f.after {
		_ = do()
	}
	return ErrFaulty
}

// Calls are the calls so far, in order.
func (f *Faulty) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Call(nil), f.calls...)
}

// Failed reports whether the call that was to fail has been made. A proof over all calls must
// check it: a run with fewer calls than were recorded proves nothing.
func (f *Faulty) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.did
}
