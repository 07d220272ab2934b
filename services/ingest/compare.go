package ingest

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/uids"
)

// Records are the item records, read whole.
type Records interface {
	// All must yield every record as it stands.
	All(ctx context.Context) iter.Seq2[*itemv1.Record, error]
	// Get must give one as it stands now, nil where there is none.
	Get(ctx context.Context, item string) (*itemv1.Record, error)
}

// Objects tell what the vault has, without opening any; pkg/vault says what they promise.
type Objects interface {
	Stat(ctx context.Context, name string) (vault.Object, error)
	List(ctx context.Context, prefix, after string) iter.Seq2[vault.Object, error]
}

// A Comparison is what server and archive have of one folder.
type Comparison struct {
	Mailbox, Folder string

	// Server is how many mails the server lists: the sum of the next six. Of those in flight
	// some are not taken yet, and some have not reached the archive.
	Server, Archived, SetAside, InFlight, Destroyed, Missing int64
	// Unknown are items whose mail the server has no more, though nothing of ours took it away.
	Unknown int64
	// Lost are items whose original the vault does not have as it was stored.
	Lost int64

	MissingUIDs, UnknownUIDs uids.Set // of the numbering that the server has now
	LostItems                []string // the first of them
	Renumbered               bool     // the server has numbered the folder anew and ingest has not seen it yet
}

// Differs tells whether server and archive disagree.
func (c Comparison) Differs() bool { return c.Missing > 0 || c.Unknown > 0 || c.Lost > 0 }

const (
	// mostLost is how many lost items are named.
	mostLost = 20
	// mostSeen is how many originals are looked for in one listing of the vault, at 40 bytes each.
	mostSeen = 1 << 20
)

// A sight is a folder as server and cursor have it, and what the records say of it. It costs
// what the gaps between UIDs cost.
type sight struct {
	mailbox, name string
	keeps         bool // nothing of ours takes mails away
	listed        bool // the server was asked; else the folder is none of those that are read
	comparable    bool // the cursor speaks of the same mails as the server
	opened        imap.Folder
	found         uids.Set
	where         mark

	archived, aside, flying, destroyed, gone gathering
	elsewhere                                int64 // items of an earlier numbering
	lost                                     int64
	lostItems                                []string
}

// look asks the server for a folder's mails, between two readings of the cursor: the first tells
// whether the server has numbered the folder anew, and what the second says is dealt with has a
// record.
func (s *sight) look(ctx context.Context, session *imap.Session, cursors Cursors) error {
	before, err := markOf(ctx, cursors, s.mailbox, s.name)
	if err != nil {
		return err
	}
	if s.opened, err = session.Examine(s.name); err != nil {
		return err
	}
	if s.found, err = session.Search(1); err != nil {
		return err
	}
	if s.where, err = markOf(ctx, cursors, s.mailbox, s.name); err != nil {
		return err
	}
	s.listed = true
	// A folder that ingest has never seen has all its mails still to come.
	s.comparable = (before.validity == 0 || !before.outdated(s.opened.Validity, s.opened.Next) && s.where.generation == before.generation) &&
		(s.where.validity == 0 || s.where.validity == s.opened.Validity)
	return nil
}

// markOf reads a folder's mark as it is saved.
func markOf(ctx context.Context, cursors Cursors, mailbox, folder string) (mark, error) {
	cursor, err := loadCursor(ctx, cursors, mailbox)
	if err != nil {
		return mark{}, fmt.Errorf("cursor: %w", err)
	}
	return cursor.read(folder), nil
}

// note counts one record.
func (s *sight) note(record *itemv1.Record) {
	place := event.Place(record)
	over := record.GetState() == itemv1.State_STATE_TOMBSTONE
	if !s.comparable || place.GetUidValidity() != s.opened.Validity || place.GetGeneration() != s.where.generation {
		if !over {
			s.elsewhere++
		}
		return
	}
	uid := place.GetUid()
	switch {
	case !s.found.Contains(uid):
		// What came after the listing is not missed in it.
		if came := s.opened.Next != 0 && uid >= s.opened.Next || s.opened.Next == 0 && uid > s.found.Highest(); !over && !came {
			s.gone.add(uid)
		}
	case over:
		s.destroyed.add(uid)
	case record.GetState() == itemv1.State_STATE_SET_ASIDE:
		s.aside.add(uid)
	case record.GetState() == itemv1.State_STATE_REGISTERED:
		s.flying.add(uid)
	default:
		s.archived.add(uid)
	}
}

// conclude counts what was seen.
func (s *sight) conclude() Comparison {
	c := Comparison{Mailbox: s.mailbox, Folder: s.name, Server: s.found.Len(), Lost: s.lost, LostItems: s.lostItems}
	if !s.listed {
		return c
	}
	if !s.comparable {
		c.Renumbered, c.InFlight = true, c.Server
		return c
	}
	recorded := s.recorded(&c)
	rest := s.found.Without(recorded)
	c.MissingUIDs = rest.Both(s.where.done)
	c.Missing = c.MissingUIDs.Len()
	c.InFlight += rest.Len() - c.Missing // ingest has yet to take them
	if s.keeps {
		c.UnknownUIDs = s.gone.done()
		c.Unknown = c.UnknownUIDs.Len()
		if rest.Len() == c.Missing { // else they may yet be found again, under the folder's new numbers
			c.Unknown += s.elsewhere
		}
	}
	return c
}

// recorded are the server's mails that are items, and counts them.
func (s *sight) recorded(c *Comparison) uids.Set {
	recorded := uids.Set{}
	for _, each := range []struct {
		of *gathering
		n  *int64
	}{{&s.archived, &c.Archived}, {&s.aside, &c.SetAside}, {&s.flying, &c.InFlight}, {&s.destroyed, &c.Destroyed}} {
		set := each.of.done().Without(recorded) // two items of one mail count once
		*each.n = set.Len()
		recorded.AddSet(set)
	}
	return recorded
}

// A gathering is a set of UIDs that come in any order.
type gathering struct {
	set   uids.Set
	fresh []uint32
	due   int
}

func (g *gathering) add(uid uint32) {
	if g.fresh = append(g.fresh, uid); len(g.fresh) >= max(1024, g.due) {
		g.gather()
	}
}

// gather puts together what came: in pieces that grow with the set, so that all of it costs
// little more than sorting.
func (g *gathering) gather() {
	slices.Sort(g.fresh)
	var more uids.Set
	for _, uid := range g.fresh {
		more.Add(uid)
	}
	g.set.AddSet(more)
	g.fresh, g.due = g.fresh[:0], len(g.set.Ranges())
}

func (g *gathering) done() uids.Set {
	g.gather()
	return g.set
}

// compare goes through the records once, and through the vault once for so many originals; not
// at all where objects is nil.
func compare(ctx context.Context, sights []*sight, records Records, objects Objects, most int) error {
	places := map[[2]string]*sight{}
	for _, s := range sights {
		places[[2]string{s.mailbox, s.name}] = s
	}
	seen := originals{records: records, objects: objects, most: most, lost: func(record *itemv1.Record) {
		s := places[[2]string{record.GetMailbox(), record.GetFolder()}]
		if s == nil {
			return
		}
		if s.lost++; len(s.lostItems) < mostLost {
			s.lostItems = append(s.lostItems, record.GetItem())
		}
	}}
	for record, err := range records.All(ctx) {
		if err != nil {
			return fmt.Errorf("item records: %w", err)
		}
		s := places[[2]string{record.GetMailbox(), record.GetFolder()}]
		if s == nil {
			continue
		}
		s.note(record)
		if objects == nil {
			continue
		}
		if err := seen.add(ctx, record); err != nil {
			return err
		}
	}
	return seen.settle(ctx)
}
