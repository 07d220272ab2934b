package imap

import (
	"fmt"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// RFC 3501 §7.4.2 lets a server name the items of an answer in any order, so also the UID behind
// the body. The library looks for an answer's command when a body begins, so such a body is
// nobody's. Where one mail alone is asked for, it is taken for that mail's, and counts when the
// number that follows says so.

// A late is the one mail that is being asked for, for a body that comes before its number.
type late struct {
	uid     uint32
	section *imap.FetchItemBodySection
	take    func(uint32, *Body) error
	begun   chan struct{} // closed when such a body came
	ended   chan struct{} // closed when its answer was read; then the rest may be looked at

	body     *Body
	named    bool // the number came, and it was this one's
	err      error
	panicked any
}

// came tells whether such a body came, and waits until its answer was read.
func (l *late) came() bool {
	if l == nil {
		return false
	}
	select {
	case <-l.begun:
		<-l.ended
		return true
	default:
		return false
	}
}

// lates hand such bodies over.
type lates struct {
	mu      sync.Mutex
	waiting *late
	seen    bool
}

// late reads an answer for which the library knows no command.
func (s *Session) late(answer *imapclient.FetchMessageData) {
	var one *late
	numbered := false
	for item := answer.Next(); item != nil; item = answer.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			numbered = true
			if one != nil {
				one.named = uint32(item.UID) == one.uid
			}
		case imapclient.FetchItemDataBodySection:
			if numbered || one != nil || item.Literal == nil {
				continue // of a mail that nobody asked for, or that was handed over already
			}
			if one = s.lates.claim(item); one == nil {
				continue
			}
			defer close(one.ended)
			one.body = &Body{Length: item.Literal.Size(), from: item.Literal, conn: s.conn}
			if one.hand(); one.err != nil {
				s.conn.Close() // as with any body
				if one.body.broken {
					return
				}
			}
		}
	}
}

// hand hands the body over. A panic is kept for the one who asked for the mail.
func (l *late) hand() {
	defer func() {
		if l.panicked = recover(); l.panicked != nil {
			l.err = ErrAnswer
		}
	}()
	l.err = l.take(l.uid, l.body)
}

// claim gives whose a body is that comes before its number; nil where nobody knows.
func (l *lates) claim(item imapclient.FetchItemDataBodySection) *late {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = true
	one := l.waiting
	if one == nil || !item.MatchCommand(one.section) {
		return nil
	}
	l.waiting = nil
	close(one.begun)
	return one
}

// await has the next body that comes before its number be this mail's.
func (l *lates) await(uid uint32, section *imap.FetchItemBodySection, take func(uint32, *Body) error) *late {
	one := &late{uid: uid, section: section, take: take, begun: make(chan struct{}), ended: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = one
	return one
}

// end ends that, and gives the body where one came and its answer was whole; err is what became of the command.
func (l *lates) end(one *late, err error) (*Body, error) {
	l.mu.Lock()
	l.waiting = nil
	l.mu.Unlock()
	switch {
	case !one.came():
		return nil, err
	case one.panicked != nil:
		panic(one.panicked)
	case one.err != nil: // for which the connection was closed
		return nil, one.err
	case err == nil && !one.named:
		return nil, fmt.Errorf("%w: a body without its number", ErrAnswer)
	}
	return one.body, err
}

// numberless tells whether the server has sent a body before its number.
func (l *lates) numberless() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}
