package dns

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A Question is one look-up that was made and what came of it: evidence from
// which a judgement can be repeated without asking again.
type Question struct {
	Type   Type      `json:"type"`
	Name   string    `json:"name"`
	Answer Answer    `json:"answer"`
	Status string    `json:"status"` // "ok", "nxdomain", "nodata", "temporary", "timeout", "bad_name", "budget"
	At     time.Time `json:"at"`     // when it was asked
}

// Temporary reports whether asking again could give another answer.
func (q *Question) Temporary() bool { return IsTemporary(q.err()) }

// A Recorder asks each question at most once, keeps every answer, and stops
// asking when its budget is spent. It serves one message.
type Recorder struct {
	resolver Resolver
	budget   int
	now      func() time.Time

	mu    sync.Mutex
	asked map[key]*Question
	order []*Question
	spent bool
}

type key struct {
	kind Type
	name string
}

// errBudget is a temporary failure: a budget that is spent decides nothing.
var errBudget = fmt.Errorf("look-up budget of this message spent: %w", ErrTemporary)

// NewRecorder makes a recorder that lets at most budget distinct questions
// through. A nil now records no times.
func NewRecorder(resolver Resolver, budget int, now func() time.Time) *Recorder {
	if resolver == nil {
		resolver = None{}
	}
	return &Recorder{resolver: resolver, budget: budget, now: now, asked: map[key]*Question{}}
}

// Lookup answers from what was asked before, or asks.
func (r *Recorder) Lookup(ctx context.Context, kind Type, name string) (Answer, error) {
	k := key{kind, Clean(name)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if q := r.asked[k]; q != nil {
		return q.Answer, q.err()
	}
	if len(r.asked) >= r.budget {
		r.spent = true
		return Answer{}, errBudget
	}
	q := &Question{Type: kind, Name: k.name}
	if r.now != nil {
		q.At = r.now()
	}
	if err := CheckName(k.name); err != nil {
		q.Status = "bad_name"
	} else {
		answer, err := r.resolver.Lookup(ctx, kind, k.name)
		q.Answer, q.Status = answer, status(err)
	}
	r.asked[k] = q
	r.order = append(r.order, q)
	return q.Answer, q.err()
}

// Spent reports whether a question was refused because the budget was spent.
func (r *Recorder) Spent() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spent
}

// Questions gives what was asked, in order.
func (r *Recorder) Questions() []Question {
	r.mu.Lock()
	defer r.mu.Unlock()
	questions := make([]Question, len(r.order))
	for i, q := range r.order {
		questions[i] = *q
	}
	return questions
}

func status(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrNXDomain):
		return "nxdomain"
	case errors.Is(err, ErrNoData):
		return "nodata"
	case errors.Is(err, ErrBadName):
		return "bad_name"
	case errors.Is(err, ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "temporary"
}

func (q *Question) err() error {
	switch q.Status {
	case "ok":
		return nil
	case "nxdomain":
		return ErrNXDomain
	case "nodata":
		return ErrNoData
	case "bad_name":
		return ErrBadName
	case "timeout":
		return ErrTimeout
	}
	return ErrTemporary
}

// A Replay answers from recorded questions. What was not recorded fails
// temporarily.
type Replay struct {
	asked map[key]*Question
}

// NewReplay makes a resolver of evidence.
func NewReplay(questions []Question) *Replay {
	replay := &Replay{asked: make(map[key]*Question, len(questions))}
	for i := range questions {
		q := questions[i]
		replay.asked[key{q.Type, Clean(q.Name)}] = &q
	}
	return replay
}

// Lookup answers from the evidence.
func (r *Replay) Lookup(_ context.Context, kind Type, name string) (Answer, error) {
	q := r.asked[key{kind, Clean(name)}]
	if q == nil {
		return Answer{}, ErrTemporary
	}
	return q.Answer, q.err()
}
