package ingest

import (
	"time"

	"github.com/postern-mail/postern/services/ingest/imap"
)

// stillFor is how long a server is believed that nothing has changed in a folder.
const stillFor = 10 * time.Minute

// A lull is a folder of which a session has seen everything, and what the server told of it
// then. While it tells the same, and HIGHESTMODSEQ (RFC 7162 §3.1.2) is part of it, nothing new is
// listed: no mail comes without a greater one. What a server loses or sets back is another
// than before; one that tells the same though it has more is found out when it
// announces something, when UIDNEXT or EXISTS moves, and at the latest after stillFor.
type lull struct {
	session int
	opened  imap.Folder
	until   time.Time
	stirred bool // the server has announced a change since
}

func (l *lull) is(session int, opened imap.Folder) bool {
	return l.session == session && !l.stirred && opened.ModSeq != 0 && opened == l.opened && time.Now().Before(l.until)
}

// settled tells whether nothing of the folder waits for another look: no mail is in trouble, no UID unlisted.
func (f *folder) settled() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.troubles) == 0 && f.gaps.unlisted.Len() == 0
}
