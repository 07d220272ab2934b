package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// Limits of a request that carries several bodies, and of its answer.
const (
	MaxBodies      = 64
	MaxBodiesBytes = 512 << 10
	MaxAnswerBytes = 768 << 10
)

// shared are the operations of which several may come in one request.
var shared = []string{OpRegister, OpFile, OpLayers, OpTicket}

// Shared says whether several bodies of an operation may come in one request.
func Shared(operation string) bool { return slices.Contains(shared, operation) }

// abroad is how many requests of one operation are under way before others wait to share
// the next: enough that the keyring is never without one.
const abroad = 2

// A line is where those wait who ask for one operation. Who comes alone is sent at once;
// the busier the keyring, the more share a request, its signature and its way.
type line struct {
	client    *Client
	operation string

	mu      sync.Mutex
	waiting []*wish
	away    int
}

// A wish is one body in a line.
type wish struct {
	ctx  context.Context
	body []byte
	done chan result
}

type result struct {
	answer *keyringv1.Answer
	err    error
}

// errAlone says that a body has no answer among the others.
var errAlone = errors.New("no answer among the others")

func (l *line) ask(ctx context.Context, body, out proto.Message) error {
	raw, err := proto.Marshal(body)
	if err != nil {
		return fmt.Errorf("keyring %s: %w", l.operation, err)
	}
	w := &wish{ctx: ctx, body: raw, done: make(chan result, 1)}
	l.join(w)
	select {
	case r := <-w.done:
		if errors.Is(r.err, errAlone) {
			_, r.answer, r.err = l.client.send(ctx, &keyringv1.Signed{Operation: l.operation, Body: raw})
		}
		if r.err != nil {
			return r.err
		}
		return readAnswer(l.operation, r.answer, out)
	case <-ctx.Done():
		return fmt.Errorf("keyring %s: %w", l.operation, ctx.Err())
	}
}

// join puts a wish into the line and sends what may leave.
func (l *line) join(w *wish) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, w)
	l.leave()
}

// leave sends requests as long as somebody waits and few are under way. The caller holds
// the lock.
func (l *line) leave() {
	for l.away < abroad {
		together := l.next()
		if len(together) == 0 {
			return
		}
		l.away++
		go l.travel(together)
	}
}

// next takes from the line who goes together. Who gave up stays behind.
func (l *line) next() []*wish {
	var together []*wish
	size, taken := 0, 0
	for _, w := range l.waiting {
		if w.ctx.Err() == nil {
			if len(together) == MaxBodies || (len(together) > 0 && size+len(w.body) > MaxBodiesBytes) {
				break
			}
			together = append(together, w)
			size += len(w.body)
		}
		taken++
	}
	l.waiting = l.waiting[taken:]
	return together
}

func (l *line) travel(together []*wish) {
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.away--
		l.leave()
	}()
	if len(together) == 1 {
		w := together[0]
		answer, err := l.send(w.ctx, &keyringv1.Signed{Operation: l.operation, Body: w.body})
		w.done <- result{answer, err}
		return
	}
	// The request outlives whoever began it: others ride in it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(together[0].ctx), AnswerWithin)
	defer cancel()
	request := &keyringv1.Signed{Operation: l.operation}
	for _, w := range together {
		request.Bodies = append(request.Bodies, w.body)
	}
	answer, err := l.send(ctx, request)
	switch {
	case err == nil && answer.Refusal != "": // of the request itself, and so of all in it
		for _, w := range together {
			w.done <- result{answer: answer}
		}
	case err == nil && len(answer.Answers) != len(together):
		err = fmt.Errorf("keyring %s: %d answers to %d requests", l.operation, len(answer.Answers), len(together))
		fallthrough
	case err != nil:
		for _, w := range together {
			w.done <- result{err: err}
		}
	default:
		for i, w := range together {
			if answer.Answers[i].GetAlone() {
				w.done <- result{err: errAlone}
				continue
			}
			w.done <- result{answer: answer.Answers[i]}
		}
	}
}

// errPanicked is all that is told of a panic: what was thrown may quote what was being asked.
var errPanicked = errors.New("keyring request: it panicked")

// send asks on a goroutine that nobody else guards: a panic there would end the process and
// print what was thrown.
func (l *line) send(ctx context.Context, request *keyringv1.Signed) (answer *keyringv1.Answer, err error) {
	defer func() {
		if recover() != nil {
			answer, err = nil, errPanicked
		}
	}()
	_, answer, err = l.client.send(ctx, request)
	return answer, err
}
