package ingest

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"

	ingestv1 "github.com/postern-mail/postern/proto/ingest/v1"
	"github.com/postern-mail/postern/services/ingest/uids"
)

// A cursor is a mailbox's cursor in memory: one mark a folder, shared by the
// folders' workers.
type cursor struct {
	mailbox string
	store   Cursors

	mu       sync.Mutex
	revision uint64
	folders  map[string]*mark
	order    []string
	changed  bool

	saving sync.Mutex
}

// A mark is how far one folder is dealt with.
type mark struct {
	validity   uint32
	generation uint32
	highest    uint32
	done       uids.Set
	troubles   map[uint32]kept
	renumbered uint32 // below it lies what was there when the folder was numbered anew
	next       uint32 // UIDNEXT as last told; it is not saved
}

// kept is what a successor must know of a mail in trouble.
type kept struct {
	tries int
	code  string // set-aside code; empty: it is tried again
}

// maxKept is how many mails in trouble a folder's mark keeps; of the others a successor
// counts the tries anew. A cursor is one message of the bus.
const maxKept = 1000

// keep notes a mail in trouble.
func (m *mark) keep(uid uint32, k kept) {
	if len(m.troubles) >= maxKept && k.code == "" {
		return
	}
	if m.troubles == nil {
		m.troubles = map[uint32]kept{}
	}
	m.troubles[uid] = k
}

// maxRanges is how many ranges of UIDs a cursor keeps, so that it stays one message of the bus (14 bytes a
// range at most). There are as many only where a server never lets gaps be settled. Whoever comes next
// looks again at the mails beyond, and they are items already.
const maxRanges = 40_000

func loadCursor(ctx context.Context, store Cursors, mailbox string) (*cursor, error) {
	saved, revision, err := store.Load(ctx, mailbox)
	if err != nil {
		return nil, err
	}
	c := &cursor{mailbox: mailbox, store: store, revision: revision, folders: map[string]*mark{}}
	for _, folder := range saved.GetFolders() {
		m := c.mark(folder.Name)
		m.validity, m.generation, m.highest, m.renumbered = folder.UidValidity, folder.Generation, folder.Highest, folder.Renumbered
		for _, r := range folder.Done {
			m.done.AddRange(r.First, r.Last)
		}
		for _, t := range folder.Troubles {
			m.keep(t.Uid, kept{int(min(t.Tries, maxTries)), t.Code})
		}
	}
	return c, nil
}

// mark gives the folder's mark; the caller holds mu or is alone.
func (c *cursor) mark(folder string) *mark {
	m := c.folders[folder]
	if m == nil {
		m = &mark{}
		c.folders[folder] = m
		c.order = append(c.order, folder)
	}
	return m
}

// read looks at a folder's mark.
func (c *cursor) read(folder string) mark {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := *c.mark(folder)
	m.done = uids.Of(m.done.Ranges()...)
	m.troubles = maps.Clone(m.troubles)
	return m
}

// change changes a folder's mark in memory.
func (c *cursor) change(folder string, f func(*mark)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.mark(folder))
	c.changed = true
}

// save makes what has changed durable. Folders that are no longer read keep
// their marks.
func (c *cursor) save(ctx context.Context) error {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.mu.Lock()
	if !c.changed {
		c.mu.Unlock()
		return nil
	}
	c.changed = false
	saved, revision := c.proto(), c.revision
	c.mu.Unlock()

	revision, err := c.store.Save(ctx, saved, revision)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.changed = true
		return err
	}
	c.revision = revision
	return nil
}

func (c *cursor) proto() *ingestv1.Cursor {
	saved := &ingestv1.Cursor{Mailbox: c.mailbox}
	total, most := 0, math.MaxInt
	for _, m := range c.folders {
		total += len(m.done.Ranges())
	}
	if total > maxRanges {
		most = maxRanges / len(c.order)
	}
	for _, name := range c.order {
		m := c.folders[name]
		folder := &ingestv1.Folder{Name: name, UidValidity: m.validity, Generation: m.generation, Highest: m.highest, Renumbered: m.renumbered}
		ranges := m.done.Ranges()
		for _, r := range ranges[:min(len(ranges), most)] {
			folder.Done = append(folder.Done, &ingestv1.Range{First: r.First, Last: r.Last})
		}
		for _, uid := range slices.Sorted(maps.Keys(m.troubles)) {
			if m.done.Contains(uid) {
				delete(m.troubles, uid) // it is none any more
				continue
			}
			t := m.troubles[uid]
			folder.Troubles = append(folder.Troubles, &ingestv1.Trouble{Uid: uid, Tries: uint32(t.tries), Code: t.code})
		}
		saved.Folders = append(saved.Folders, folder)
	}
	return saved
}

// outdated tells whether the folder's UIDs mean other mails than the mark's.
func (m *mark) outdated(validity, next uint32) bool {
	return m.validity != validity || next != 0 && next <= m.highest
}

// open brings the mark in line with what the server says of the folder now, and
// tells whether a whole new scan begins.
func (m *mark) open(validity, next uint32) (anew bool) {
	m.next = next
	switch {
	case m.validity == 0:
		m.validity = validity
	case m.validity != validity:
		// The UIDs of before stand for nothing any more. (RFC 3501 §2.3.1.1)
		// Where an old UIDVALIDITY returns, its ids do too, and find their records.
		*m = mark{validity: validity, next: next, renumbered: known(next)}
		return true
	case next != 0 && next <= m.highest:
		// UIDNEXT must be above every UID that was ever given out.
		m.raise()
		return true
	}
	return false
}

// raise begins a new generation: the same UIDs now stand for other mails.
func (m *mark) raise() {
	*m = mark{validity: m.validity, generation: m.generation + 1, next: m.next, renumbered: known(m.next)}
}

// listed notes a listing: the highest UID that was given out, and the highest in it. Where no UIDNEXT told
// what was there when the folder was numbered anew, the first listing does: what comes later is
// new, though somebody may have sent the same bytes before.
func (m *mark) listed(top, highest uint32) {
	m.highest = max(m.highest, top)
	if m.renumbered == math.MaxUint32 && highest < math.MaxUint32 {
		m.renumbered = highest + 1
	}
}

// known is next, or a number above all where the server tells none.
func known(next uint32) uint32 {
	if next == 0 {
		return math.MaxUint32
	}
	return next
}
