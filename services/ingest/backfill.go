package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/uids"
)

// A Gap is what the archive lacks of one folder, as far as the server has it.
type Gap struct {
	Folder string
	Here   int64 // mails that are items already
	// Waiting are mails that ingest takes by itself: it has not come to them yet.
	Waiting, WaitingBytes int64
	// Missing are mails that ingest takes for dealt with, and that are none of the archive's.
	Missing, MissingBytes int64
	Unread                bool // the folder is none of those that are read
	Opened                bool // the missing ones are to be taken now
}

var (
	// ErrUnread says that a folder is not read, so that nothing of it can be taken.
	ErrUnread = errors.New("folder is not read")
	// errRenumbered says that a folder's UIDs mean other mails than the cursor's.
	errRenumbered = errors.New("the server has numbered the folder anew: ingest reads all of it again by itself")
	// errBusy says that a cursor could not be changed.
	errBusy = errors.New("cursor: it changes all the time, try again")
)

// sizesAtOnce is how many mails' sizes one FETCH asks for.
const sizesAtOnce = 500

// Backfill counts what the archive lacks of a mailbox's folders; of those that are read where none
// is named. With take it opens the cursor again for what is missing: ingest, which notices
// within half a minute, takes those mails as it takes any. What is an item stays the item that it
// is, so it may be repeated, and beside an ingest that runs.
func Backfill(ctx context.Context, config Config, id string, folders []string, deps Deps, take bool) ([]Gap, error) {
	list, err := visitors(config, []string{id}, deps)
	if err != nil {
		return nil, err
	}
	m := list[0]
	if len(folders) == 0 {
		folders = m.config.Folders
	}
	folders = slices.Clone(folders)
	for i, folder := range folders {
		if strings.EqualFold(folder, inbox) {
			folder, folders[i] = inbox, inbox // RFC 3501 §5.1: in any case the same
		}
		if take && !slices.Contains(m.config.Folders, folder) {
			return nil, fmt.Errorf("folder %q: %w: add it to the folders of mailbox %q, and ingest takes all of it at first sight", folder, ErrUnread, id)
		}
	}
	sights, err := m.sights(ctx, folders)
	if err != nil {
		return nil, err
	}
	if err := compare(ctx, sights, deps.Records, nil, mostSeen); err != nil {
		return nil, err
	}
	var gaps []Gap
	for _, s := range sights {
		c := s.conclude()
		if c.Renumbered {
			return gaps, fmt.Errorf("folder %q: %w", s.name, errRenumbered)
		}
		recorded := s.recorded(new(Comparison))
		waiting := s.found.Without(recorded).Without(c.MissingUIDs)
		gap := Gap{
			Folder: s.name, Here: recorded.Len(), Waiting: waiting.Len(), Missing: c.Missing,
			Unread: !slices.Contains(m.config.Folders, s.name),
		}
		if gap.WaitingBytes, gap.MissingBytes, err = m.sizes(ctx, s.name, s.opened, waiting, c.MissingUIDs); err != nil {
			return gaps, err
		}
		if take && gap.Missing > 0 {
			if err := reopen(ctx, deps.Cursors, s, c.MissingUIDs); err != nil {
				return gaps, fmt.Errorf("folder %q: %w", s.name, err)
			}
			gap.Opened = true
		}
		gaps = append(gaps, gap)
	}
	return gaps, nil
}

// sizes adds up the sizes of mails as the server tells them.
func (m *mailbox) sizes(ctx context.Context, folder string, was imap.Folder, waiting, missing uids.Set) (first, second int64, err error) {
	defer caught(&err)
	if waiting.Len()+missing.Len() == 0 {
		return 0, 0, nil
	}
	session, err := m.dial(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer session.Leave()
	opened, err := session.Examine(folder)
	if err != nil {
		return 0, 0, err
	}
	if opened.Validity != was.Validity {
		return 0, 0, errRenumbered
	}
	if first, err = sizesOf(session, waiting); err != nil {
		return 0, 0, err
	}
	second, err = sizesOf(session, missing)
	return first, second, err
}

func sizesOf(session *imap.Session, set uids.Set) (total int64, err error) {
	var batch []uint32
	ask := func() error {
		if len(batch) == 0 {
			return nil
		}
		told, err := session.Describe(batch)
		for _, mail := range told {
			total += mail.Size
		}
		batch = batch[:0]
		return err
	}
	for uid := range set.All() {
		if batch = append(batch, uid); len(batch) == sizesAtOnce {
			if err := ask(); err != nil {
				return 0, err
			}
		}
	}
	return total, ask()
}

// reopen has the saved cursor say of mails that they are not dealt with. Whoever has the cursor
// in memory cannot save it any more, and reads it anew.
func reopen(ctx context.Context, cursors Cursors, s *sight, missing uids.Set) error {
	for range 10 {
		c, err := loadCursor(ctx, cursors, s.mailbox)
		if err != nil {
			return fmt.Errorf("cursor: %w", err)
		}
		if where := c.read(s.name); where.validity != s.opened.Validity || where.generation != s.where.generation {
			return errRenumbered
		}
		c.change(s.name, func(m *mark) { m.done = m.done.Without(missing) })
		err = c.save(ctx)
		if !errors.Is(err, ErrMoved) {
			return err
		}
	}
	return errBusy
}
