package confine

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// Words that a child is started with.
const (
	childName  = "postern-confined" // its name, by which Enter knows it
	stepEnter  = "enter"
	stepWork   = "work"
	socketFile = 3
	jobLimit   = 1 << 30 // bytes of one job's parts
)

// Enter makes this process a child of a pool, where it was started as one, and does
// not return then. A program calls it before anything else, with all that its
// children can do.
func Enter(jobs map[string]Job) {
	entered.Store(true)
	if len(os.Args) < 2 || os.Args[0] != childName {
		return
	}
	code := 0
	switch os.Args[1] {
	case stepEnter:
		code = enter(os.Args[2:])
	case stepWork:
		code = work(jobs, os.NewFile(socketFile, "socket"))
	default:
		code = exitMisuse
	}
	os.Exit(code)
}

// entered says that this program knows a child when it is one. Another would not, and do all over again
// whatever it does.
var entered atomic.Bool

var errNotEntered = errors.New("this program does not call confine.Enter when it starts")

// Exit codes of a child. What it could not do comes as text before, over the socket.
const (
	exitDone   = 0
	exitFailed = 1
	exitMisuse = 2
)

// work does jobs until the socket is closed.
func work(jobs map[string]Job, socket io.ReadWriter) int {
	debug.SetTraceback("none")
	w := newWire(socket)
	if w.send(frameReady, nil) != nil {
		return exitFailed
	}
	for {
		kind, body, err := w.receive()
		switch {
		case errors.Is(err, io.EOF):
			return exitDone
		case err != nil || kind != frameJob:
			return exitFailed
		}
		job := jobs[string(body)]
		parts, _, err := w.receiveParts(jobLimit)
		if err != nil {
			return exitFailed
		}
		if job == nil {
			err = w.sendError("unknown_job")
		} else {
			err = do(w, job, parts)
		}
		if err != nil {
			return exitFailed
		}
	}
}

// do does one job. The deadline is kept by who gave it.
func do(w *wire, job Job, parts [][]byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	asker := &asker{w: w}
	results, err := job(ctx, parts, asker.ask)
	switch {
	case asker.broken != nil:
		return asker.broken
	case err != nil:
		return w.sendError(err.Error())
	}
	return w.sendParts(results)
}

// An asker puts questions, one after another.
type asker struct {
	w      *wire
	broken error
}

func (a *asker) ask(question io.Reader) ([]byte, error) {
	if a.broken != nil {
		return nil, a.broken
	}
	answer, err := a.put(question)
	return answer, err
}

func (a *asker) put(question io.Reader) ([]byte, error) {
	if a.broken = a.w.write(frameQuestion, nil); a.broken != nil {
		return nil, a.broken
	}
	buf := make([]byte, 64<<10)
	var asked error
	for {
		n, err := question.Read(buf)
		if n > 0 {
			if a.broken = a.w.write(frameMore, buf[:n]); a.broken != nil {
				return nil, a.broken
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				asked = err
			}
			break
		}
	}
	if asked != nil {
		a.broken = a.w.sendError("source")
	} else {
		a.broken = a.w.send(framePart, nil)
	}
	if a.broken != nil {
		return nil, a.broken
	}
	answer, refused, err := a.w.receiveParts(1 << 20)
	switch {
	case err != nil:
		a.broken = err
		return nil, err
	case asked != nil:
		return nil, asked
	case refused != "":
		return nil, errors.New(refused)
	case len(answer) != 1:
		a.broken = errProtocol
		return nil, a.broken
	}
	return answer[0], nil
}
