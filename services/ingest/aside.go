package ingest

import (
	"context"
	"errors"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/services/ingest/imap"
)

// headerPart is the share of max_size that the headers of a mail that is set aside may take.
const headerPart = 2

// oversize registers a mail with its headers alone and sets it aside. Its body is
// not asked for and it stays on the server.
func (f *folder) oversize(session *imap.Session, work *flight, mail imap.Mail) error {
	headers, err := f.headers(session, mail.UID)
	if errors.Is(err, imap.ErrGone) {
		work.outcome(mail, errWithheld)
		return nil
	}
	if err != nil {
		return err
	}
	return f.registerHeaders(work, mail, headers, "")
}

// aside sets a mail aside that could not be taken often enough. What the server still says of it
// is asked for once: where that breaks the session, it goes without. That it is set aside,
// and why, is in the cursor before the record is made: whoever comes after says the same.
func (f *folder) aside(session *imap.Session, work *flight, uid uint32, code string) error {
	f.mu.Lock()
	t := f.trouble(uid)
	mail, bare, tries := t.mail, t.bare, t.tries
	t.bare = true
	f.mu.Unlock()
	var headers []byte
	if !bare {
		if mail.UID == 0 {
			told, err := f.describe(session, []uint32{uid})
			if err != nil {
				return err
			}
			if len(told) == 1 {
				mail = told[0]
			}
		}
		var err error
		if headers, err = f.headers(session, uid); err != nil && !errors.Is(err, imap.ErrGone) {
			return err
		}
	}
	if mail.UID == 0 {
		mail = imap.Mail{UID: uid, Received: imap.NoDate}
	}
	work.cursor.change(f.name, func(m *mark) { m.keep(uid, kept{tries, code}) })
	if err := f.save(work.session, work.cursor); err != nil {
		return err
	}
	f.log.Error("mail set aside: the server does not hand it over whole", "uid", uid, "code", code, "tries", tries)
	return f.registerHeaders(work, mail, headers, code)
}

func (f *folder) headers(session *imap.Session, uid uint32) ([]byte, error) {
	return session.Headers(uid, f.service.config.MaxSize.Bytes()/headerPart)
}

// registerHeaders seals what there is of a mail, has it registered and set aside. An empty code
// stands for what the record itself says.
func (f *folder) registerHeaders(work *flight, mail imap.Mail, headers []byte, code string) error {
	if err := work.slot(f.service.slots); err != nil {
		return err
	}
	work.mails.Go(func() {
		defer func() { <-f.service.slots }()
		hands := &buffers{plain: headers}
		defer hands.forget()
		ctx, cancel := context.WithTimeout(work.work, mailTimeout)
		defer cancel()
		attempt, err := f.service.begin(ctx, f, work.where, mail)
		if err == nil {
			attempt.code = code
			err = attempt.storeHeaders(ctx, hands)
		}
		if err == nil {
			err = attempt.register(ctx)
		}
		if refusal, _ := keys.RefusalOf(err); refusal == keys.Conflict && code != "" {
			// Something was registered under its UID when the server said something else of it.
			f.log.Error("a mail that cannot be read has an item already", "uid", mail.UID)
			err = nil
		}
		work.outcome(mail, err)
	})
	return nil
}
