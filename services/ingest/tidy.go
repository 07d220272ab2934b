package ingest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/postern-mail/postern/pkg/event"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

const (
	// tidyEvery is how often a mailbox is gone through for mails whose time has come, or that
	// were missed when they were archived.
	tidyEvery = time.Hour
	// tidyLook is how many mails in a row whose time has not come end the look: UIDs and
	// the times that mails came through our door grow together.
	tidyLook = 1000
	// tidyShares of the pause between two looks must have passed since a record changed: until
	// then the mail is left to whoever was told that it is archived, in this process or another.
	tidyShares = 4
)

// tidy does what is still to be done in the mailbox, again and again, while its lease lasts. It
// rests on what server, cursor and records say alone, so it goes on after any crash.
func (m *mailbox) tidy(ctx context.Context, cursor *cursor) {
	pause := m.service.tidyEvery / 60 // soon after the start, but not at once
	for {
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = m.service.tidyEvery
		for _, folder := range m.config.Folders {
			if err := m.tidyFolder(ctx, cursor, folder); err != nil && ctx.Err() == nil {
				m.log.Warn("folder not tidied", "folder", folder, "err", err)
			}
		}
	}
}

func (m *mailbox) tidyFolder(ctx context.Context, cursor *cursor, folder string) (err error) {
	defer caught(&err)
	session, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	opened, err := session.Select(folder)
	if err != nil {
		return err
	}
	where := cursor.read(folder)
	if where.validity != opened.Validity {
		return nil // nothing is known of these UIDs yet
	}
	keyword := ""
	if m.config.After == Keyword {
		keyword = m.config.Keyword
	}
	found, err := session.SearchLacking(keyword)
	if err != nil {
		return err
	}
	var jobs []job
	young := 0
	for uid := range found.Both(where.done).All() {
		if young == tidyLook {
			break
		}
		record, err := m.ready(ctx, event.Item(m.config.ID, folder, where.validity, uid, where.generation))
		if errors.Is(err, errNoItem) && uid < where.renumbered {
			record, err = m.readyAt(ctx, folder, where, uid)
		}
		if errors.Is(err, errNotSafe) {
			continue
		}
		if err != nil {
			return err
		}
		if m.service.deps.Now().Sub(record.GetChanged().AsTime()) < m.service.tidyEvery/tidyShares {
			young++ // it is somebody's work now; the next look finds it where that fails
			continue
		}
		if m.service.deps.Now().Sub(record.GetReceived().AsTime()) < m.config.AfterDelay.Std() {
			young++
			continue
		}
		young = 0
		if jobs = append(jobs, job{record: record}); len(jobs) == batchSize {
			if err := m.touch(session, folder, jobs); err != nil {
				return err
			}
			jobs = nil
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	return m.touch(session, folder, jobs)
}

// placedShares of the pause between two looks is how long it is kept which items stand under the new
// numbers of a folder: a mail that became one meanwhile waits so long.
const placedShares = 24

// placed are the items of a folder that the server has numbered anew, by their numbers there.
type placed struct {
	validity, generation uint32
	until                time.Time
	items                map[uint32]string
}

// readyAt is ready for a mail that was an item before the server numbered its folder anew.
func (m *mailbox) readyAt(ctx context.Context, folder string, where mark, uid uint32) (*itemv1.Record, error) {
	known := m.placed[folder]
	if known.validity != where.validity || known.generation != where.generation || known.items[uid] == "" && time.Now().After(known.until) {
		var err error
		if known, err = m.places(ctx, folder, where); err != nil {
			return nil, err
		}
		if m.placed == nil {
			m.placed = map[string]placed{}
		}
		m.placed[folder] = known
	}
	item := known.items[uid]
	if item == "" {
		return nil, errNoItem
	}
	record, err := m.ready(ctx, item)
	if place := event.Place(record); err == nil && (place.GetUidValidity() != where.validity || place.GetUid() != uid || place.GetGeneration() != where.generation) {
		return nil, errNoItem // it has moved on
	}
	return record, err
}

// places reads all records: no name leads from a place to its item.
func (m *mailbox) places(ctx context.Context, folder string, where mark) (placed, error) {
	found := placed{where.validity, where.generation, time.Now().Add(placedShares * m.service.tidyEvery), map[uint32]string{}}
	if m.service.deps.Records == nil {
		return found, nil
	}
	for record, err := range m.service.deps.Records.All(ctx) {
		if err != nil {
			return placed{}, fmt.Errorf("item records: %w", err)
		}
		if place := record.GetPlace(); place != nil && record.GetMailbox() == m.config.ID && record.GetFolder() == folder &&
			place.GetUidValidity() == where.validity && place.GetGeneration() == where.generation {
			found.items[place.GetUid()] = record.GetItem()
		}
	}
	return found, nil
}
