package ingest

import (
	"context"
	"time"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// Standstill changes how long a record must be untouched before it is said again.
func Standstill(s *Service, d time.Duration) { s.standstill = d }

// Hurry shortens the pauses after failures.
func (s *Service) Hurry() {
	s.least, s.gapEvery, s.mostTrouble = time.Millisecond, 20*time.Millisecond, 8*time.Millisecond
	s.tidyEvery = 60 * time.Millisecond
	s.checkEvery, s.checkLook = 50*time.Millisecond, 50*time.Millisecond
	if s.deps.Board != nil { // who watches looks at the cursor, too
		s.boardEvery, s.cursorEvery = 20*time.Millisecond, 20*time.Millisecond
	}
}

// StillFor changes how long a server is believed that nothing has changed.
func StillFor(s *Service, d time.Duration) { s.stillFor = d }

// Laggards changes how long a mail that streams in may hold a place that others want.
func Laggards(s *Service, d time.Duration) { s.streams.patience = d }

// Redrive says again what a record calls for.
func Redrive(s *Service, ctx context.Context, record *itemv1.Record) error {
	return s.redrive(ctx, record)
}

// Rest is how long the first mailbox's sessions wait between signs of life.
func Rest(c Config) time.Duration {
	return (&mailbox{config: c.Mailboxes[0], service: &Service{config: c}}).rest()
}

// Complete fetches a mail that was taken up again, or sets it aside.
func Complete(s *Service, ctx context.Context, record *itemv1.Record) error {
	return s.complete(ctx, record)
}

// Ended waits until nothing is being fetched any more.
func Ended(s *Service) { s.refetches.working.Wait() }
