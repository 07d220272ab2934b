package confine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Words that a child is started with.
const (
	childName  = "postern-confined" // its name, by which Enter knows it
	stepEnter  = "enter"
	stepWork   = "work"
	stepAlone  = "alone"
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
	case stepWork, stepAlone:
		code = inside(os.Args[1] == stepAlone, jobs)
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

// inside is the child at work, shut in.
func inside(alone bool, jobs map[string]Job) int {
	socket := os.NewFile(socketFile, "socket")
	if err := shutDoor(alone); err != nil {
		_ = newWire(socket).sendError(err.Error())
		return exitFailed
	}
	return work(jobs, socket)
}

// shutDoor does what can only be done by the program that stays.
func shutDoor(alone bool) error {
	unix.CloseOnExec(socketFile) // what it starts has no part in the connection
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("dumpable off: %w", err)
	}
	if !alone {
		return nil
	}
	if err := filterAlone(); err != nil {
		return fmt.Errorf("filter of who works alone: %w", err)
	}
	return nil
}

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
	broken error // why no more can be said to who gave the job
}

func (a *asker) ask(question io.Reader) ([]byte, error) {
	if a.broken != nil {
		return nil, a.broken
	}
	if a.broken = a.w.write(frameQuestion, nil); a.broken != nil {
		return nil, a.broken
	}
	_, asked := io.Copy(a, question)
	switch {
	case a.broken != nil:
	case asked != nil:
		a.broken = a.w.sendError("source")
	default:
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

// Write sends a piece of a question.
func (a *asker) Write(piece []byte) (int, error) {
	for rest := piece; len(rest) > 0; {
		n := min(len(rest), frameBytes)
		if a.broken = a.w.write(frameMore, rest[:n]); a.broken != nil {
			return len(piece) - len(rest), a.broken
		}
		rest = rest[n:]
	}
	return len(piece), nil
}
