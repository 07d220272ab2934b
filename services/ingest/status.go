package ingest

import (
	"time"
)

// A Status is how one folder fares.
type Status struct {
	Mailbox     string
	Folder      string
	Idle        bool      // the server announces new mail by itself
	Waiting     int64     // mails found at the last look
	Trouble     int       // mails that could not be taken so far
	LastSuccess time.Time // last time that everything was looked at
	LastFailure time.Time
	LastError   error // of LastFailure, nil again after a success
}

// Status tells how every folder fares.
func (s *Service) Status() []Status {
	var list []Status
	for _, m := range s.mailboxes {
		for _, f := range m.folders {
			f.mu.Lock()
			status := f.status
			status.Trouble = len(f.troubles)
			f.mu.Unlock()
			list = append(list, status)
		}
	}
	return list
}

func (f *folder) failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.LastFailure, f.status.LastError = f.service.deps.Now(), err
}

func (f *folder) succeeded(idle bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.LastSuccess, f.status.LastError, f.status.Idle = f.service.deps.Now(), nil, idle
	f.status.Waiting = 0
	f.service.health(nil)
}

func (f *folder) lag(mails int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Waiting = mails
}

// health tells /readyz whether mailboxes are read. One that is away is no reason to
// call the service unready: another process could do no better, and its metrics tell.
func (s *Service) health(waiting error) {
	switch {
	case s.deps.Health == nil:
	case waiting != nil:
		s.deps.Health.Waiting(waiting.Error())
	default:
		s.deps.Health.Ready()
	}
}
