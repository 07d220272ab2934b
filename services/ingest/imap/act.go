package imap

import (
	"errors"

	"github.com/emersion/go-imap/v2"
)

// ErrUnsafe says that the server lacks what is needed to remove some mails and
// leave others that somebody else has marked as deleted.
var ErrUnsafe = errors.New("imap: server offers no UIDPLUS, which removing single mails needs")

// Keyword sets a keyword on mails. Setting it again changes nothing; mails that
// are gone are passed over.
func (s *Session) Keyword(which []uint32, keyword string) error {
	defer s.conn.ask(maxChatter + int64(len(which))*maxPerMail)()
	err := s.client.Store(set(which), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.Flag(keyword)}}, nil).Close()
	return s.actError(err)
}

// Move moves mails to another folder: by MOVE (RFC 6851), else by COPY and
// Delete. Mails that are gone are passed over.
func (s *Session) Move(which []uint32, folder string) error {
	defer s.conn.ask(maxChatter + int64(len(which))*maxPerMail)()
	s.plainly()
	if s.client.Caps().Has(imap.CapMove) {
		_, err := s.client.Move(set(which), folder).Wait()
		return s.actError(err)
	}
	if !s.client.Caps().Has(imap.CapUIDPlus) {
		return ErrUnsafe
	}
	if _, err := s.client.Copy(set(which), folder).Wait(); err != nil {
		return s.actError(err)
	}
	return s.Delete(which)
}

// Delete removes mails for good, and only these: UID EXPUNGE (RFC 4315). Mails
// that are gone are passed over.
func (s *Session) Delete(which []uint32) error {
	if !s.client.Caps().Has(imap.CapUIDPlus) {
		return ErrUnsafe
	}
	defer s.conn.ask(maxChatter + 2*int64(len(which))*maxPerMail)()
	deleted := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
	if err := s.client.Store(set(which), deleted, nil).Close(); err != nil {
		return s.actError(err)
	}
	return s.actError(s.client.UIDExpunge(set(which)).Close())
}

// CreateFolder makes a folder; one that is there already is no error.
func (s *Session) CreateFolder(name string) error {
	defer s.conn.ask(maxChatter)()
	s.plainly()
	err := s.client.Create(name, nil).Wait()
	var status *imap.Error
	if errors.As(err, &status) && status.Code == imap.ResponseCodeAlreadyExists {
		return nil
	}
	return s.actError(err)
}

func (s *Session) actError(err error) error {
	if err == nil {
		return nil
	}
	return s.answerError(err)
}
