package confine

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// What travels between the processes: one byte for the kind, four for the length of what
// follows. Parts longer than a frame come in several.
const (
	frameJob      = 'J' // the name of a job; its parts follow
	frameMore     = 'm' // of a part, and more of it follows
	framePart     = 'p' // the last, or all, of a part
	frameEnd      = 'e' // no more parts
	frameQuestion = 'q' // one follows, as a single part
	frameError    = 'x' // instead of parts: why there are none
	frameReady    = 'r' // from a child that begins

	frameBytes = 256 << 10
	wireBuffer = 64 << 10
	errorBytes = 200
)

var errProtocol = errors.New("confined process: protocol")

// A wire writes and reads frames. What is written is sent when it is complete: each time a
// process is woken costs more than the bytes do.
type wire struct {
	r   *bufio.Reader
	w   *bufio.Writer
	buf []byte // of one frame that is read
}

func newWire(rw io.ReadWriter) *wire {
	return &wire{r: bufio.NewReaderSize(rw, wireBuffer), w: bufio.NewWriterSize(rw, wireBuffer)}
}

// write writes a frame, and send sends it with all before it.
func (w *wire) write(kind byte, body []byte) error {
	var head [5]byte
	head[0] = kind
	binary.BigEndian.PutUint32(head[1:], uint32(len(body))) //nolint:gosec // no longer than frameBytes
	if _, err := w.w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.w.Write(body)
	return err
}

func (w *wire) send(kind byte, body []byte) error {
	if err := w.write(kind, body); err != nil {
		return err
	}
	return w.w.Flush()
}

// receive gives the next frame. Its body holds until the next is received.
func (w *wire) receive() (kind byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > frameBytes {
		return 0, nil, fmt.Errorf("%w: a frame of %d bytes", errProtocol, n)
	}
	if int(n) > cap(w.buf) {
		w.buf = make([]byte, n)
	}
	w.buf = w.buf[:n]
	if _, err := io.ReadFull(w.r, w.buf); err != nil {
		return 0, nil, err
	}
	return head[0], w.buf, nil
}

// writePart writes one part in frames.
func (w *wire) writePart(part []byte) error {
	for len(part) > frameBytes {
		if err := w.write(frameMore, part[:frameBytes]); err != nil {
			return err
		}
		part = part[frameBytes:]
	}
	return w.write(framePart, part)
}

func (w *wire) sendParts(parts [][]byte) error {
	for _, part := range parts {
		if err := w.writePart(part); err != nil {
			return err
		}
	}
	return w.send(frameEnd, nil)
}

func (w *wire) sendError(code string) error {
	return w.send(frameError, []byte(code[:min(len(code), errorBytes)]))
}

// frameCost is what a frame counts for where its bytes are limited: the empty ones are not for nothing, and each
// part has a place in a list.
func frameCost(body []byte) int64 { return int64(len(body)) + 64 }

// A gathering puts parts together out of frames, up to a limit.
type gathering struct {
	parts [][]byte
	open  bool // the last part is not complete
	left  int64
}

// take adds a frame that is one of a part.
func (g *gathering) take(kind byte, body []byte) error {
	if g.left -= frameCost(body); g.left < 0 {
		return fmt.Errorf("%w: more than was allowed", errProtocol)
	}
	if !g.open {
		g.parts = append(g.parts, nil)
	}
	last := len(g.parts) - 1
	g.parts[last] = append(g.parts[last], body...)
	g.open = kind == frameMore
	return nil
}

// receiveParts gathers parts to their end. An error that was sent instead is text.
func (w *wire) receiveParts(limit int64) (parts [][]byte, refused string, err error) {
	g := gathering{left: limit}
	for {
		kind, body, err := w.receive()
		if err != nil {
			return nil, "", err
		}
		switch kind {
		case frameMore, framePart:
			if err := g.take(kind, body); err != nil {
				return nil, "", err
			}
		case frameEnd:
			if g.open {
				return nil, "", fmt.Errorf("%w: a part without an end", errProtocol)
			}
			return g.parts, "", nil
		case frameError:
			return nil, string(body), nil
		default:
			return nil, "", fmt.Errorf("%w: frame %q among parts", errProtocol, kind)
		}
	}
}

// A questionReader reads one question out of frames.
type questionReader struct {
	receive func() (kind byte, body []byte, err error)
	left    *int64 // bytes that are still read, of this question and of those after it
	rest    []byte
	last    bool
	err     error
}

func (q *questionReader) Read(p []byte) (int, error) {
	for len(q.rest) == 0 {
		if q.err != nil {
			return 0, q.err
		}
		if q.last {
			return 0, io.EOF
		}
		kind, body, err := q.receive()
		*q.left -= frameCost(body)
		switch {
		case *q.left < 0 && err == nil:
			q.err = fmt.Errorf("%w: questions longer than are answered", errProtocol)
		case errors.Is(err, io.EOF):
			q.err = io.ErrUnexpectedEOF // the child is gone: what came is not the whole
		case err != nil:
			q.err = err
		case kind == frameMore || kind == framePart:
			q.rest, q.last = body, kind == framePart
		case kind == frameError:
			q.err, q.last = errQuestion, true // it could not be asked to its end
		default:
			q.err = fmt.Errorf("%w: frame %q in a question", errProtocol, kind)
		}
	}
	n := copy(p, q.rest)
	q.rest = q.rest[n:]
	return n, nil
}

// errQuestion says that the child could not read what it asks about; the job goes on.
var errQuestion = errors.New("question ended early")

// skip passes over what was not read.
func (q *questionReader) skip() error {
	_, err := io.Copy(io.Discard, q)
	if errors.Is(err, errQuestion) {
		return nil
	}
	return err
}
