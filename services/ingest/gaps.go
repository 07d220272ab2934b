package ingest

import (
	"time"

	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/uids"
)

// gapEvery is how often a session is ended only to learn from the next one whether UIDs
// are gone. The first time it is not waited for.
const gapEvery = 10 * time.Minute

// gaps are UIDs below listed ones that a session did not list.
type gaps struct {
	unlisted uids.Set
	session  int // that did not list them
	next     time.Time
}

// settleGaps marks UIDs as dealt with that stand for no mail any more. A UID below one that
// was given out and that stands for nothing never will again (RFC 3501 §2.3.1.1), but
// one answer that lacks it is no proof: a FETCH skips mails whose flags change at that moment,
// and a server may be wrong. It is gone when two sessions have not listed it and the second one's
// listing holds as many mails as the server says that there are (RFC 3501 §7.3.1).
func (f *folder) settleGaps(session *imap.Session, cursor *cursor, opened imap.Folder, done, found uids.Set, first, top uint32) error {
	unlisted := uids.Of(uids.Range{First: first, Last: top}).Without(found).Without(done)
	if top < first || unlisted.Len() == 0 {
		f.gaps.unlisted, f.gaps.session = uids.Set{}, 0
		return nil
	}
	if f.gaps.session != 0 && f.gaps.session != f.sessions {
		gone := f.gaps.unlisted.Both(unlisted)
		whole := found
		if first > 1 && gone.Len() > 0 {
			var err error
			if whole, err = session.Search(1); err != nil {
				return err
			}
			gone = gone.Without(whole)
		}
		if whole.Len() == int64(opened.Count) && session.Count() == opened.Count {
			cursor.change(f.name, func(m *mark) { m.done.AddSet(gone) })
			unlisted = unlisted.Without(gone)
		}
	}
	f.gaps.unlisted, f.gaps.session = unlisted, f.sessions
	if now := time.Now(); unlisted.Len() > 0 && !now.Before(f.gaps.next) {
		f.gaps.next = now.Add(f.service.gapEvery)
		return errFresh
	}
	return nil
}
