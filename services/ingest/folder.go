package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/uids"
)

// batchSize is how many mails one FETCH asks for.
const batchSize = 100

// saveTimeout bounds the last save of a cursor when a service stops.
const saveTimeout = 20 * time.Second

// A folder is read by one session at a time.
type folder struct {
	mailbox *mailbox
	service *Service
	name    string
	log     *slog.Logger

	// Of the one goroutine that reads the folder.
	sessions int      // so far; the number of this one
	careful  uids.Set // mails that were asked for when a session broke: they are asked for one by one
	narrowed bool     // the session broke, and it is known with which mails asked for
	claim    claim
	gaps     gaps
	lull     lull

	mu       sync.Mutex
	troubles map[uint32]*trouble
	status   Status
}

func newFolder(m *mailbox, name string) *folder {
	return &folder{
		mailbox: m, service: m.service, name: name, log: m.log.With("folder", name),
		troubles: map[uint32]*trouble{}, status: Status{Mailbox: m.config.ID, Folder: name},
	}
}

// errFresh ends a session because what comes next must not rest on this session's word alone.
var errFresh = errors.New("folder: a fresh session is wanted")

// run reads the folder until ctx ends, reconnecting as often as needed. It returns
// an error only where the cursor is no longer ours.
func (f *folder) run(ctx context.Context, cursor *cursor) error {
	pause := backoff{least: f.service.least, most: time.Minute}
	for ctx.Err() == nil {
		before := cursor.read(f.name)
		err := f.session(ctx, cursor, &pause)
		if ctx.Err() != nil {
			return nil
		}
		if after := cursor.read(f.name); after.done.Len() > before.done.Len() {
			pause.reset() // it got somewhere
		}
		if errors.Is(err, ErrMoved) {
			return err
		}
		if errors.Is(err, errFresh) {
			continue
		}
		if f.narrowed { // what is wrong is known better now
			f.narrowed = false
			pause.reset()
		}
		f.failed(err)
		f.log.Warn("folder interrupted", "err", err)
		pause.wait(ctx, err)
	}
	return nil
}

func (f *folder) session(ctx context.Context, cursor *cursor, pause *backoff) (err error) {
	defer caught(&err)
	session, err := f.mailbox.dial(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	f.sessions++
	for {
		again, err := f.cycle(ctx, session, cursor)
		if err != nil {
			return err
		}
		if again {
			continue
		}
		pause.reset()
		f.succeeded(session.CanIdle())
		if f.lull.stirred, err = session.Wait(ctx, f.mailbox.rest()); err != nil {
			return err
		}
	}
}

// halfOpen is within what time a connection that is dead without a word is noticed.
const halfOpen = 2 * time.Minute

// rest is how long a session may wait before the server must give a sign of life, for which it
// then has as long as it may keep silent.
func (m *mailbox) rest() time.Duration {
	return min(m.config.Poll.Std(), halfOpen-m.service.config.Silence.Std())
}

// cycle takes everything that is new in the folder. It returns true where there is
// more to do at once.
func (f *folder) cycle(ctx context.Context, session *imap.Session, cursor *cursor) (again bool, err error) {
	opened, err := session.Examine(f.name)
	if err != nil {
		return false, err
	}
	if err := f.open(cursor, opened); err != nil {
		return false, err
	}
	where := cursor.read(f.name)
	f.recall(where)
	if f.lull.is(f.sessions, opened) {
		return false, nil
	}
	first := where.done.FirstMissing()
	if first == 0 { // every UID that can be is dealt with
		return false, nil
	}
	found, err := session.Search(first)
	if err != nil {
		return false, err
	}
	// A UID that the server has not given out by its own word says nothing about those below it.
	top := found.Highest()
	if opened.Next != 0 {
		top = min(top, opened.Next-1)
	}
	cursor.change(f.name, func(m *mark) { m.listed(top, found.Highest()) })
	where.renumbered = cursor.read(f.name).renumbered
	if err := f.settleGaps(session, cursor, opened, where.done, found, first, top); err != nil {
		return false, err
	}
	todo, stale := f.due(found.Without(where.done))
	f.lag(int64(len(todo)))
	if len(todo) == 0 && !stale && f.settled() {
		f.lull = lull{session: f.sessions, opened: opened, until: time.Now().Add(f.service.stillFor)}
	}
	again, err = f.take(ctx, session, cursor, where, todo)
	if err == nil && !again && stale {
		err = errFresh
	}
	return again, err
}

// A claim is what a server said of a folder that would have it read anew.
type claim struct {
	session        int
	validity, next uint32
}

// open brings the cursor in line with what the server says of the folder. That all its UIDs
// mean other mails than before is believed only when a second session says so: one
// answer out of an old replica would make every mail a new one.
func (f *folder) open(cursor *cursor, opened imap.Folder) error {
	where := cursor.read(f.name)
	if where.validity == 0 || !where.outdated(opened.Validity, opened.Next) {
		cursor.change(f.name, func(m *mark) { m.open(opened.Validity, opened.Next) })
		return nil
	}
	if before := f.claim; before.session == 0 || before.session == f.sessions || before.validity != opened.Validity {
		if before.session != f.sessions {
			f.claim = claim{f.sessions, opened.Validity, opened.Next}
		}
		return errFresh
	}
	f.claim = claim{}
	cursor.change(f.name, func(m *mark) {
		m.open(opened.Validity, opened.Next)
		f.log.Warn("folder has new UIDs and is read anew", "uidvalidity", m.validity, "generation", m.generation)
	})
	f.forget()
	return nil
}

// take deals with the mails named, batch by batch. While one batch streams in,
// those before it are still being stored and registered.
func (f *folder) take(ctx context.Context, session *imap.Session, cursor *cursor, where mark, todo []uint32) (again bool, err error) {
	work := newFlight(ctx, f, cursor, where)
	// The mails in hand are finished, and what is dealt with is kept, also when the
	// session or the service ends.
	defer func() {
		work.mails.Wait()
		err = errors.Join(err, work.failure())
		save, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
		defer cancel()
		err = errors.Join(err, f.save(save, cursor))
		again = err == nil && work.again()
		if err == nil && work.conflict() {
			cursor.change(f.name, func(m *mark) { m.raise() })
			f.forget()
			f.log.Warn("ids stand for other mails: a new generation begins")
			err = f.save(save, cursor)
		}
		work.end()
	}()
	for len(todo) > 0 {
		batch := todo[:f.together(todo)]
		todo = todo[len(batch):]
		if err := f.batch(session, work, batch); err != nil {
			f.suspect(work, batch, err)
			return false, err
		}
		if err := work.failure(); err != nil {
			return false, err
		}
		if work.conflict() {
			return true, nil
		}
		if err := f.save(ctx, cursor); err != nil {
			return false, err
		}
	}
	return false, nil
}

func (f *folder) save(ctx context.Context, cursor *cursor) error {
	if err := cursor.save(ctx); err != nil {
		return fmt.Errorf("cursor: %w", err)
	}
	return nil
}

// forget drops what was known of single mails: their UIDs stand for others now.
func (f *folder) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.troubles)
	f.careful, f.gaps, f.lull = uids.Set{}, gaps{}, lull{}
}
