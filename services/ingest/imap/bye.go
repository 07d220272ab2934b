package imap

import (
	"bytes"
	"errors"
	"slices"
	"sync"

	"github.com/emersion/go-imap/v2"
)

// A tail keeps the end of what passed over a connection, for the one thing that the library
// does not hand on: with what words the server ended it. Nothing of it leaves this
// package but a response code of the standards'.
type tail struct {
	mu   sync.Mutex
	last []byte
}

// tailSize is more than a line of BYE with its code and some text, in bytes.
const tailSize = 1 << 10

// Write is io.Writer's; it never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(p) >= tailSize {
		t.last = append(t.last[:0], p[len(p)-tailSize:]...)
		return len(p), nil
	}
	if keep := tailSize - len(p); len(t.last) > keep {
		t.last = append(t.last[:0], t.last[len(t.last)-keep:]...)
	}
	t.last = append(t.last, p...)
	return len(p), nil
}

// bye gives what a last line of BYE means (RFC 3501 §7.1.5); nil where there was none. Were it
// the text of a mail that was cut there, a connection that is lost would go by another name.
func (t *tail) bye() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	text, whole := bytes.CutSuffix(t.last, []byte("\r\n"))
	if !whole {
		return nil
	}
	words, is := bytes.CutPrefix(text[bytes.LastIndexByte(text, '\n')+1:], []byte("* BYE"))
	if !is {
		return nil
	}
	if inside, _, coded := bytes.Cut(words, []byte("]")); coded {
		if code, ok := bytes.CutPrefix(inside, []byte(" [")); ok && slices.Contains(busyCodes, imap.ResponseCode(code)) {
			return withCode(ErrBusy, imap.ResponseCode(code))
		}
	}
	return ErrBye
}

// answerError is the function's, and tells a server that took its leave from one that is lost, and half an
// answer from one that makes no sense: the library does not say that there was no more.
func (s *Session) answerError(err error) error {
	err = answerError(err)
	if errors.Is(err, ErrAnswer) && s.conn.ended() {
		err = ErrLost
	}
	if errors.Is(err, ErrLost) {
		if said := s.tail.bye(); said != nil {
			return said
		}
	}
	return err
}
