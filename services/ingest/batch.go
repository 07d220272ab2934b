package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/postern-mail/postern/services/ingest/imap"
)

// errBroken says that the session broke when this mail alone was asked for.
var errBroken = errors.New("mail: the session ends when it is asked for")

// together is how many of these mails are asked for at once: one that may break the
// session is asked for alone.
func (f *folder) together(todo []uint32) int {
	for i, uid := range todo[:min(batchSize, len(todo))] {
		if f.careful.Contains(uid) || f.decided(uid) != "" {
			return max(i, 1)
		}
	}
	return min(batchSize, len(todo))
}

// batch fetches up to batchSize mails: sizes first, then the bodies of those that
// are not too large.
func (f *folder) batch(session *imap.Session, work *flight, batch []uint32) error {
	if code := f.decided(batch[0]); code != "" {
		return f.aside(session, work, batch[0], code)
	}
	mails, err := f.describe(session, batch)
	if err != nil {
		return err
	}
	there := make(map[uint32]bool, len(mails))
	fitting := mails[:0]
	for _, mail := range mails {
		there[mail.UID] = true
		mail = f.corrected(mail)
		if mail.Size <= f.service.config.MaxSize.Bytes() {
			fitting = append(fitting, mail)
			continue
		}
		if err := f.oversize(session, work, mail); err != nil {
			return err
		}
	}
	for _, uid := range batch {
		if !there[uid] {
			// Not in the answer, for whatever reason. Whether it is gone, the next listing tells.
			work.outcome(imap.Mail{UID: uid}, errWithheld)
		}
	}
	if len(fitting) > 0 {
		if err := session.Bodies(fitting, work.take, work.whole); err != nil {
			return err
		}
	}
	for _, mail := range fitting {
		if !work.came[mail.UID] {
			work.outcome(mail, errWithheld)
		}
	}
	for _, uid := range batch {
		f.careful.Remove(uid)
	}
	return nil
}

// describe is the session's, except that a mail that is asked for alone and whose date the
// server garbles goes without.
func (f *folder) describe(session *imap.Session, batch []uint32) ([]imap.Mail, error) {
	if len(batch) == 1 && f.undated(batch[0]) {
		return session.DescribeUndated(batch)
	}
	return session.Describe(batch)
}

// suspect notes that a session broke with these mails asked for. If that was one alone, it
// is in trouble; else each is asked for alone from now on, so that those around it get through.
// Either way the next session comes soon: the folder itself is well.
func (f *folder) suspect(work *flight, batch []uint32, err error) {
	busy := errors.Is(err, imap.ErrBusy) && !errors.Is(err, imap.ErrBug)
	if work.session.Err() != nil || work.failure() != nil || !busy && !theirs(err) {
		return
	}
	f.narrowed = !busy // who asks to wait is waited for
	if len(batch) == 1 {
		if f.decided(batch[0]) != "" {
			f.rests(batch[0])
			return
		}
		switch {
		case work.judged(batch[0]):
		case busy:
			f.troubled(imap.Mail{UID: batch[0]}, err) // perhaps it is this mail alone: the next one first
		default:
			work.outcome(imap.Mail{UID: batch[0]}, fmt.Errorf("%w: %w", errBroken, err))
		}
		return
	}
	for _, uid := range batch {
		f.careful.Add(uid)
	}
}

// theirs tells whether an error is the server's or the connection's doing, and no plain
// request to wait.
func theirs(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	return slices.ContainsFunc([]error{imap.ErrLost, imap.ErrAnswer, imap.ErrFlood, imap.ErrCut, imap.ErrRefused, imap.ErrBye, imap.ErrBug, errLong},
		func(kind error) bool { return errors.Is(err, kind) })
}

// undated tells whether the server has garbled the answer that was to hold the mail's date.
func (f *folder) undated(uid uint32) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.troubles[uid]
	return t != nil && t.garbled >= 2 // once may be an accident, and the date stays with the item
}

// corrected takes a mail that came longer than the limit in two sessions for as long as it came.
func (f *folder) corrected(mail imap.Mail) imap.Mail {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.troubles[mail.UID]; t != nil && t.agreed && t.length > f.service.config.MaxSize.Bytes() {
		mail.Size = t.length
	}
	return mail
}
