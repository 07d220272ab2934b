package ingest

import (
	"errors"
	"time"

	ingestv1 "github.com/postern-mail/postern/proto/ingest/v1"
	"github.com/postern-mail/postern/services/ingest/imap"
)

// A Status is how one folder fares.
type Status struct {
	Mailbox     string
	Folder      string
	State       State
	Idle        bool      // the server announces new mail by itself
	Waiting     int64     // mails found at the last look
	Trouble     int       // mails that could not be taken so far
	LastSuccess time.Time // last time that everything was looked at
	LastFailure time.Time
	Failure     State // what LastFailure was; it stays after a success
	LastError   error // of LastFailure, nil again after a success
}

// Status tells how every folder fares.
func (s *Service) Status() []Status {
	var list []Status
	for _, m := range s.mailboxes {
		for _, f := range m.folders {
			list = append(list, f.state())
		}
	}
	return list
}

func (f *folder) state() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	status := f.status
	status.Trouble = len(f.troubles)
	status.State = stateOf(status.LastError, status.LastSuccess)
	return status
}

// recallStatus takes over what the mailbox's holder before has told, until there is news.
func (f *folder) recallStatus(before *ingestv1.FolderStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.status.LastFailure.IsZero() && before.GetLastFailure() != nil {
		f.status.LastFailure, f.status.Failure = before.GetLastFailure().AsTime(), State(before.GetFailure())
	}
}

// A State says in one word how a folder fares.
type State string

const (
	Starting       State = "starting"        // it has not been looked at yet
	OK             State = "ok"              // at the last look all was well
	SignInRefused  State = "sign_in_refused" // the password or the token is not taken
	TokenRefused   State = "token_refused"   // the provider gives no access token for the refresh token
	TokenAway      State = "token_away"      // the provider cannot be asked for one
	Unavailable    State = "unavailable"     // the server says that it cannot for the moment
	Throttled      State = "throttled"       // the server wants us to come less often
	OverQuota      State = "over_quota"      // the account has used up what it may
	NoFolder       State = "no_folder"       // the folder is not there
	ReadOnly       State = "read_only"       // we lack a permission
	Refused        State = "refused"         // the server will not, and does not say why
	TLSFailed      State = "tls"             // no protected connection comes about
	ConnectionLost State = "connection_lost" // the server is not there, or went away
	SessionEnded   State = "session_ended"   // the server said BYE
	Garbled        State = "garbled"         // the server's answers make no sense
	MailInTrouble  State = "mail_in_trouble" // one mail broke the session
	OurSide        State = "our_side"        // bus, keyring or vault are not there
)

// stateOf reads the error of the last look.
func stateOf(err error, success time.Time) State {
	if err == nil {
		if success.IsZero() {
			return Starting
		}
		return OK
	}
	switch imap.CodeOf(err) { // RFC 5530 §3
	case "LIMIT", "INUSE", "THROTTLED":
		return Throttled
	case "OVERQUOTA":
		return OverQuota
	}
	for _, each := range []struct {
		kind  error
		state State
	}{
		{errTokenRefused, TokenRefused}, {errTokenAway, TokenAway}, {imap.ErrSignIn, SignInRefused}, {imap.ErrBusy, Unavailable},
		{imap.ErrNoFolder, NoFolder}, {imap.ErrReadOnly, ReadOnly}, {imap.ErrRefused, Refused}, {imap.ErrTLS, TLSFailed},
		{imap.ErrBye, SessionEnded}, {imap.ErrCut, ConnectionLost}, {imap.ErrLost, ConnectionLost},
		{imap.ErrAnswer, Garbled}, {imap.ErrFlood, Garbled}, {errSize, MailInTrouble}, {errPanicked, MailInTrouble},
	} {
		if errors.Is(err, each.kind) {
			return each.state
		}
	}
	return OurSide
}

func (f *folder) failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.LastFailure, f.status.LastError = f.service.deps.Now(), err
	f.status.Failure = stateOf(err, f.status.LastSuccess)
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
