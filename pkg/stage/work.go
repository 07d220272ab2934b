package stage

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/fault"
)

// An end is what became, or is to become, of one delivery.
type end struct {
	kind    fault.Kind
	code    string
	pause   time.Duration // before it comes again
	err     error         // for the log
	letters []Letter
	suspect bool
	deaths  int
	worked  time.Duration
	lost    bool // the server did not take note of the end: it comes again by itself
}

func givenBack(kind fault.Kind, code string, pause time.Duration, err error) end {
	return end{kind: kind, code: code, pause: pause, err: err}
}

// work does what is to be done for m and says how it is to end.
func (r *runner) work(running, ctx context.Context, m *mail) end {
	if m.garbled != nil {
		return end{kind: fault.Ended, code: fault.Of(m.garbled).Code, err: m.garbled}
	}
	if running.Err() != nil {
		return givenBack(fault.Delayed, Stopping, 0, nil)
	}
	var e end
	if r.Process.doubts(m) {
		left, err := r.Marks.Read(ctx, m.env.Id)
		if err != nil {
			return givenBack(fault.Broken, MarksUnreadable, r.pause(m), err)
		}
		e.suspect, e.deaths = r.Process.suspicion(m, left)
	}
	if e.deaths >= fatal {
		e.kind, e.code = fault.Ended, KilledWorker
		return e
	}
	leave, err := r.Process.enter(running, e.suspect)
	if err != nil {
		return givenBack(fault.Delayed, Stopping, 0, nil)
	}
	defer leave()
	if e.suspect {
		mark := Mark{Delivery: m.Deliveries(), Deaths: e.deaths, Process: r.Process.id}
		if err := r.Marks.Write(ctx, m.env.Id, mark); err != nil {
			return givenBack(fault.Broken, MarksUnreadable, r.pause(m), err)
		}
	}
	began := time.Now()
	outs, err := r.try(ctx, m)
	e.worked = time.Since(began)
	r.judge(ctx, m, &e, outs, err)
	return e
}

// judge says how m is to end after its work has returned outs and err.
func (r *runner) judge(ctx context.Context, m *mail, e *end, outs []Out, err error) {
	if err == nil {
		e.letters, err = r.letters(m, outs, traceHeader(ctx))
	}
	verdict := fault.Of(err)
	var b *breakdown
	if verdict.Kind == fault.Broken && errors.As(err, &b) {
		verdict.Code = b.code
	}
	e.kind, e.code, e.err = verdict.Kind, verdict.Code, err
	switch {
	case e.kind == fault.None || e.kind == fault.Ended:
	case ctx.Err() != nil:
		// It failed because we are stopping: nobody need wait for that.
		e.kind, e.code, e.pause = fault.Delayed, Stopping, 0
	case r.Clock.Now().After(m.waiting.Add(r.spec.Patience)):
		e.kind, e.code = fault.Ended, PatienceExhausted
	case verdict.Delay > 0:
		e.pause = shaken(verdict.Delay, r.Jitter())
	default:
		e.pause = r.pause(m)
	}
}

func (r *runner) pause(m *mail) time.Duration { return shaken(pause(m.Deliveries()), r.Jitter()) }

// A breakdown is an end of Work other than by returning.
type breakdown struct {
	code string
	at   string
}

func (b *breakdown) Error() string {
	if b.at == "" {
		return "work " + b.code
	}
	return "work " + b.code + " at " + b.at
}

type returned struct {
	outs []Out
	err  error
}

// try runs Work within its timeout. Work that does not heed the end of its context is
// left behind: its mail must not be stuck with it.
func (r *runner) try(ctx context.Context, m *mail) ([]Out, error) {
	limited, cancel := context.WithTimeout(ctx, r.spec.Timeout)
	defer cancel()
	done := make(chan returned, 1)
	go func() {
		// Anything but a return leaves this in place: a panic, or runtime.Goexit.
		result := returned{err: &breakdown{code: Panicked}}
		defer func() {
			if recover() != nil {
				result = returned{err: &breakdown{Panicked, panicSite()}}
			}
			done <- result
		}()
		outs, err := r.spec.Work(limited, m.env, m.msg)
		result = returned{outs, err}
	}()
	select {
	case result := <-done:
		return result.outs, result.err
	case <-limited.Done():
	}
	select {
	case result := <-done:
		if result.err != nil && ctx.Err() == nil && !fault.IsFinal(result.err) {
			return nil, errors.Join(&breakdown{code: TimedOut}, result.err)
		}
		return result.outs, result.err
	case <-time.After(Obstinate):
		r.meters.abandoned.Inc()
		return nil, &breakdown{TimedOut, "work that does not stop"}
	}
}

// panicSite names the functions and lines that a panic passed, innermost first. The
// panic's value is left out, it may quote the mail; so are arguments.
func panicSite() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	var sites []string
	for len(sites) < 8 {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "runtime.") && frame.Function != "" {
			sites = append(sites, frame.Function+":"+strconv.Itoa(frame.Line))
		}
		if !more {
			break
		}
	}
	return strings.Join(sites, " < ")
}
