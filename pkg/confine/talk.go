package confine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// A Task is one job to be done.
type Task struct {
	Job    string
	Parts  [][]byte
	Answer Answer // nil: its questions are not answered
	Result int64  // bytes that it may give; 0: as many as the Room says
	// Read takes what the job gave, and must believe nothing of it. Its error says that this is not what the job
	// gives: the child is ended as one that died. It may be called for each of two tries. nil: whatever came is right.
	Read func(results [][]byte) error
}

// errTime is how a job ended that took too long.
var errTime = errors.New("time is over")

// do has the child do one task.
func (c *child) do(ctx context.Context, task Task) error {
	within, cancel := context.WithTimeoutCause(ctx, c.room.Time+c.room.Asking, errTime)
	defer cancel()
	release := context.AfterFunc(within, c.cut)
	t := &talk{c: c, ctx: within, left: c.room.Time, result: task.Result, questions: c.room.Questions, asked: c.room.Asked}
	if t.result <= 0 {
		t.result = c.room.Result
	}
	results, err := t.run(task)
	whole := release()
	if whole && err == nil && task.Read != nil {
		err = task.Read(results)
	}
	switch {
	case whole && (err == nil || errors.Is(err, ErrJob)):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded) || within.Err() != nil:
		return fmt.Errorf("%w: %w", ErrDied, errTime)
	default:
		return fmt.Errorf("%w: %w", ErrDied, err)
	}
}

// A talk is one task under way, with what the child may still take of everything. What it is given in
// all is no more, however it spreads it over frames and questions.
type talk struct {
	c         *child
	ctx       context.Context //nolint:containedctx // it lives as long as one task
	left      time.Duration   // in which the child is waited for
	result    int64
	questions int
	asked     int64 // bytes of questions
}

// waiting waits for the child to send or to take something: this is the child's time, and what is done with it
// meanwhile is not.
func (t *talk) waiting(do func() error) error {
	began := time.Now()
	if err := t.c.conn.SetDeadline(began.Add(t.left)); err != nil {
		return err
	}
	if err := t.ctx.Err(); err != nil { // whoever ends the task after this cuts after this
		return err
	}
	err := do()
	t.left -= time.Since(began)
	return err
}

func (t *talk) receive() (kind byte, body []byte, err error) {
	err = t.waiting(func() (err error) {
		kind, body, err = t.c.wire.receive()
		return err
	})
	return kind, body, err
}

func (t *talk) run(task Task) ([][]byte, error) {
	w := t.c.wire
	if !t.c.silent() {
		return nil, fmt.Errorf("%w: it speaks before it is asked", errProtocol)
	}
	if err := t.waiting(func() error {
		if err := w.write(frameJob, []byte(task.Job)); err != nil {
			return err
		}
		return w.sendParts(task.Parts)
	}); err != nil {
		return nil, err
	}
	g := gathering{left: t.result}
	for {
		kind, body, err := t.receive()
		if err != nil {
			return nil, err
		}
		switch kind {
		case frameQuestion:
			if err := t.answer(task.Answer); err != nil {
				return nil, err
			}
		case frameMore, framePart:
			if err := g.take(kind, body); err != nil {
				return nil, err
			}
		case frameEnd:
			if g.open || w.r.Buffered() > 0 {
				return nil, fmt.Errorf("%w: it does not end where it says", errProtocol)
			}
			return g.parts, nil
		case frameError:
			return nil, ErrJob
		default:
			return nil, fmt.Errorf("%w: frame %q", errProtocol, kind)
		}
	}
}

// answer answers one question.
func (t *talk) answer(answer Answer) error {
	if t.questions--; t.questions < 0 {
		return fmt.Errorf("%w: more questions than are answered", errProtocol)
	}
	question := &questionReader{receive: t.receive, left: &t.asked}
	var said []byte
	err := errors.New("nobody answers")
	if answer != nil {
		said, err = answer(t.ctx, question)
	}
	if err := question.skip(); err != nil {
		return err
	}
	return t.waiting(func() error {
		if err != nil {
			return t.c.wire.sendError("unanswered")
		}
		return t.c.wire.sendParts([][]byte{said})
	})
}
