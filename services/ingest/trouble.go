package ingest

import (
	"errors"
	"time"

	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/uids"
)

// A trouble is a mail that could not be taken so far.
type trouble struct {
	tries   int
	code    string // set-aside code, once it was tried often enough
	bare    bool   // what the server still says of it has been asked for, for the last time
	next    time.Time
	session int // that saw it last
	mail    imap.Mail

	garbled int // how often it broke the session when it was asked for alone with its date

	// The last body of a mail that is not as long as was announced.
	length  int64
	digest  []byte // nil: it was too long to be read
	weighed int    // the session that it came in
	agreed  bool   // the session before had given the same

	clash   imap.Mail // what the server said when the id stood for another mail
	clashed int       // the session that it said so in
}

// Mails that make trouble come back after at least a second and at most an hour, each time in a
// session that did not see them before.
const mostTrouble = time.Hour

// Codes under which a mail is set aside by ingest, besides CodeOversize.
const (
	CodeUnclearSize = "size_unclear"    // no two sessions gave the same bytes, and none what was announced
	CodeWithheld    = "not_handed_over" // it is listed and never handed over
	CodeBreaks      = "breaks_session"  // the session ends whenever it is asked for
	CodePanicked    = "ingest_panicked" // our own work on it breaks
)

// After how many tries a mail is set aside. Where bytes came each time, a few are enough;
// where none came, the server gets some hours to recover.
const (
	unclearTries  = 8
	withheldTries = 18
	maxTries      = 1 << 20
)

// verdict is the set-aside code of a mail that failed so for the so-many-th time; empty: it
// is tried again.
func verdict(err error, tries int) string {
	switch {
	case errors.Is(err, errSize) && tries >= unclearTries:
		return CodeUnclearSize
	case tries < withheldTries:
		return ""
	case errors.Is(err, errWithheld):
		return CodeWithheld
	case errors.Is(err, errBroken):
		return CodeBreaks
	case errors.Is(err, errPanicked):
		return CodePanicked
	}
	return "" // a refusal of the keyring's: setting it aside would be refused, too
}

// recall takes over what a predecessor knew of mails in trouble.
func (f *folder) recall(where mark) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for uid, k := range where.troubles {
		if t := f.trouble(uid); t.tries == 0 {
			t.tries, t.code = k.tries, k.code
		}
	}
}

// due gives the mails whose time has come: all but those in trouble that rest, or that this very
// session has seen, which is told. Those that are no longer listed are no trouble any more.
func (f *folder) due(set uids.Set) (list []uint32, stale bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for uid := range f.troubles {
		if !set.Contains(uid) {
			delete(f.troubles, uid)
		}
	}
	now := time.Now()
	for uid := range set.All() {
		t := f.troubles[uid]
		switch {
		case t == nil:
			list = append(list, uid)
		case t.next.After(now):
		case t.session == f.sessions:
			stale = true
		default:
			list = append(list, uid)
		}
	}
	return list, stale
}

// trouble gives what is known of a mail in trouble, and makes it one; mu is held.
func (f *folder) trouble(uid uint32) *trouble {
	t := f.troubles[uid]
	if t == nil {
		t = &trouble{}
		f.troubles[uid] = t
	}
	return t
}

// troubling tells whether an error is about one mail and no other.
func troubling(err error) bool {
	return errors.Is(err, errSize) || errors.Is(err, errWithheld) || errors.Is(err, errBroken) || errors.Is(err, errPanicked)
}

// troubled notes a mail that could not be taken. It tells whether it may be tried
// again at once, as it may the first time, and what the cursor must know.
func (f *folder) troubled(mail imap.Mail, err error) (atOnce bool, note kept) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.trouble(mail.UID)
	t.tries++
	t.session, t.next = f.sessions, time.Now()
	if !mail.Received.IsZero() {
		t.mail = mail
	}
	if errors.Is(err, errBroken) && errors.Is(err, imap.ErrAnswer) && t.mail.UID == 0 {
		t.garbled++
	}
	if t.code == "" {
		t.code = verdict(err, t.tries)
	}
	if t.tries > 1 && t.code == "" {
		t.next = t.next.Add(min(f.service.least<<min(t.tries-2, 20), f.service.mostTrouble))
	}
	return t.tries == 1, kept{t.tries, t.code}
}

// rests has a mail wait for the next session.
func (f *folder) rests(uid uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.trouble(uid)
	t.session, t.next = f.sessions, time.Now()
}

// decided is the code under which a mail is to be set aside; empty: none.
func (f *folder) decided(uid uint32) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.troubles[uid]; t != nil {
		return t.code
	}
	return ""
}

// weighed keeps what came of a mail that is not as long as was announced.
func (f *folder) weighed(uid uint32, length int64, digest []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.trouble(uid)
	t.agreed = t.agreed || t.weighed != 0 && t.weighed != f.sessions && t.length == length && digest == nil && t.digest == nil
	t.length, t.digest, t.weighed = length, digest, f.sessions
}

// expected is the digest of the body that another session gave for a mail, where it was
// as long as this one; else nil.
func (f *folder) expected(uid uint32, length int64) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.troubles[uid]; t != nil && t.weighed != f.sessions && t.length == length {
		return t.digest
	}
	return nil
}

// clashed notes what the server says of a mail whose id stands for another, and gives what
// another session's word was, and which; 0: none.
func (f *folder) clashed(mail imap.Mail) (before imap.Mail, session int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.trouble(mail.UID)
	before, session = t.clash, t.clashed
	if session == f.sessions {
		session = 0
	}
	t.clash, t.clashed = mail, f.sessions
	t.session, t.next = f.sessions, time.Now()
	return before, session
}

func (f *folder) untroubled(uid uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.troubles, uid)
}
