package imap

import (
	"context"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"
)

// CanIdle tells whether the server offers IDLE (RFC 2177).
func (s *Session) CanIdle() bool { return s.client.Caps().Has(imap.CapIdle) }

// Wait returns when the server tells of a change in the open folder, which is news, or after the
// longest time, or when ctx ends. Where the server offers IDLE, it is used, and
// re-issued with every call; so calls of at most a minute or two keep the
// connection open and notice a dead one.
func (s *Session) Wait(ctx context.Context, longest time.Duration) (news bool, err error) {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	if !s.CanIdle() {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-timer.C:
		case <-s.changes:
			news = true
		case <-s.client.Closed():
			return false, s.answerError(net.ErrClosed)
		}
		return news, s.Noop()
	}

	answered := s.conn.ask(maxChatter)
	idle, err := s.client.Idle()
	answered() // from here on the server owes nothing
	if err != nil {
		return false, because(ctx, s.answerError(err))
	}
	var ended error
	select {
	case <-ctx.Done():
		ended = context.Cause(ctx)
	case <-timer.C:
	case <-s.changes:
		news = true
	case <-s.client.Closed():
		ended = s.answerError(net.ErrClosed)
	}
	defer s.conn.ask(maxChatter)()
	if err := idle.Close(); err != nil && ended == nil {
		return false, because(ctx, s.answerError(err))
	}
	if ended != nil {
		return false, ended
	}
	if err := idle.Wait(); err != nil {
		return false, because(ctx, s.answerError(err))
	}
	return news, nil
}

// Noop asks the server for a sign of life.
func (s *Session) Noop() error {
	defer s.conn.ask(maxChatter)()
	if err := s.client.Noop().Wait(); err != nil {
		return s.answerError(err)
	}
	return nil
}
