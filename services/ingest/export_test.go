package ingest

import "time"

// Hurry shortens the pauses after failures.
func (s *Service) Hurry() { s.least = time.Millisecond }
