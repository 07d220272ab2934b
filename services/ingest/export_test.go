package ingest

import "time"

// Standstill changes how long a record must be untouched before it is said again.
func Standstill(s *Service, d time.Duration) { s.standstill = d }

// Hurry shortens the pauses after failures.
func (s *Service) Hurry() { s.least, s.gapEvery = time.Millisecond, 20*time.Millisecond }
