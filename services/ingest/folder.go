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

	mu       sync.Mutex
	troubles map[uint32]trouble
	status   Status
}

// A trouble is a mail that could not be taken so far.
type trouble struct {
	tries int
	next  time.Time
}

// Mails that make trouble come back after at least a second and at most an hour.
const mostTrouble = time.Hour

func newFolder(m *mailbox, name string) *folder {
	return &folder{
		mailbox: m, service: m.service, name: name, log: m.log.With("folder", name),
		troubles: map[uint32]trouble{}, status: Status{Mailbox: m.config.ID, Folder: name},
	}
}

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
		if err := session.Wait(ctx, f.mailbox.config.Poll.Std()); err != nil {
			return err
		}
	}
}

// cycle takes everything that is new in the folder. It returns true where there is
// more to do at once.
func (f *folder) cycle(ctx context.Context, session *imap.Session, cursor *cursor) (again bool, err error) {
	opened, err := session.Examine(f.name)
	if err != nil {
		return false, err
	}
	cursor.change(f.name, func(m *mark) {
		if m.open(opened.Validity, opened.Next) {
			f.log.Warn("folder has new UIDs and is read anew", "uidvalidity", m.validity, "generation", m.generation)
			f.forgetTroubles()
		}
	})
	where := cursor.read(f.name)
	first := where.done.FirstMissing()
	if first == 0 { // every UID that can be is dealt with
		return false, nil
	}
	found, err := session.Search(first)
	if err != nil {
		return false, err
	}
	// A UID that is not listed below one that is stands for no mail and never will
	// (RFC 3501 §2.3.1.1). That keeps a sparse folder's mark small. A listing with
	// fewer mails than the folder has is not trusted so far, nor is a UID that the
	// server has not given out by its own word.
	whole := first > 1 || found.Len() >= int64(opened.Count)
	top := found.Highest()
	if opened.Next != 0 {
		top = min(top, opened.Next-1)
	}
	cursor.change(f.name, func(m *mark) {
		m.highest = max(m.highest, found.Highest())
		if whole && top > first {
			m.done.AddSet(uids.Of(uids.Range{First: first, Last: top}).Without(found))
		}
	})
	todo := f.due(found.Without(where.done))
	f.lag(int64(len(todo)))
	return f.take(ctx, session, cursor, where, todo)
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
			f.log.Warn("ids stand for other mails: a new generation begins")
			err = f.save(save, cursor)
		}
		work.cancel()
	}()
	for len(todo) > 0 {
		batch := todo[:min(batchSize, len(todo))]
		todo = todo[len(batch):]
		if err := f.batch(session, work, batch); err != nil {
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

// batch fetches up to batchSize mails: sizes first, then the bodies of those that
// are not too large.
func (f *folder) batch(session *imap.Session, work *flight, batch []uint32) error {
	mails, err := session.Describe(batch)
	if err != nil {
		return err
	}
	there := make(map[uint32]bool, len(mails))
	fitting := mails[:0]
	for _, mail := range mails {
		there[mail.UID] = true
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
			work.done(uid) // expunged since it was listed
		}
	}
	if len(fitting) == 0 {
		return nil
	}
	if err := session.Bodies(fitting, work.take); err != nil {
		return err
	}
	for _, mail := range fitting {
		if !work.came[mail.UID] {
			// Expunged just now, which the next look will tell, or held back.
			work.outcome(mail, errWithheld)
		}
	}
	return nil
}

// due leaves out the mails in trouble whose time has not come. Those that are no
// longer listed are no trouble any more.
func (f *folder) due(set uids.Set) []uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	for uid := range f.troubles {
		if !set.Contains(uid) {
			delete(f.troubles, uid)
		}
	}
	now := time.Now()
	var list []uint32
	for uid := range set.All() {
		if t, known := f.troubles[uid]; !known || !t.next.After(now) {
			list = append(list, uid)
		}
	}
	return list
}

// troubled notes a mail that could not be taken. It tells whether it may be tried
// again at once, as it may the first time.
func (f *folder) troubled(uid uint32) (atOnce bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.troubles[uid]
	t.tries++
	t.next = time.Now()
	if t.tries > 1 {
		t.next = t.next.Add(min(f.service.least<<min(t.tries-2, 20), mostTrouble))
	}
	f.troubles[uid] = t
	return t.tries == 1
}

func (f *folder) untroubled(uid uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.troubles, uid)
}

func (f *folder) forgetTroubles() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.troubles)
}
