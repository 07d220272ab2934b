package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/stage"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/ingest/imap"
)

// AfterStage is the name of the stage that touches mailboxes.
const AfterStage = "ingest-after"

// Codes of a mailbox action that has to wait.
const (
	CodeMailboxAway    = "mailbox_away"    // no session, or it ended
	CodeMailboxRefused = "mailbox_refused" // the server will not do it
	CodeNotSafe        = "journal_behind"  // the journal does not have the item's record yet
)

// journalPause is how long a mail waits that the journal does not have yet; the archive writes
// it every ten seconds or so.
const journalPause = 15 * time.Second

const (
	// afterGather is how long a session waits for more mails to act on at once.
	afterGather = 20 * time.Millisecond
	// afterIdle is how long a session without work is kept.
	afterIdle = 30 * time.Second
	// afterGiveUp is the age at which a mail is left on the server for good: before
	// the stage's own patience ends, which would set aside a mail that is well.
	afterGiveUp = 13 * 24 * time.Hour
)

// A job is one archived mail whose mailbox is to be touched.
type job struct {
	record *itemv1.Record
	done   chan error
}

// After is the work of the stage ingest-after: what the configuration says is done to
// the mail on the server, now that it is archived. It does nothing where the folder's
// UIDVALIDITY has changed or the UID stands for another mail, and may be repeated.
func (s *Service) After(ctx context.Context, _ *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
	archived, ok := msg.(*mailv1.Archived)
	if !ok {
		return nil, fault.Final("garbled_event")
	}
	record := archived.GetRecord()
	m := s.mailbox(record.GetMailbox())
	if m == nil || m.config.After == Keep || record.GetDirection() == itemv1.Direction_DIRECTION_SENT {
		return nil, nil
	}
	if m.config.AfterDelay > 0 {
		return nil, nil // the tidying finds it when its time has come
	}
	if m.config.After != Keyword { // which takes nothing away
		var err error
		if record, err = m.ready(ctx, record.GetItem()); err != nil {
			return nil, m.afterFault(archived.GetRecord(), err)
		}
	}
	j := job{record, make(chan error, 1)}
	select {
	case m.jobs <- j:
	case <-s.ended:
		return nil, fault.Later(0, CodeMailboxAway)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case err := <-j.done:
		return nil, m.afterFault(record, err)
	case <-s.ended:
		return nil, fault.Later(0, CodeMailboxAway)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// errNotSafe says that a mail must stay where it is until the journal has its record.
var errNotSafe = errors.New("item: not in the journal yet")

// errNoItem says that there is no such item. It is an errNotSafe, too.
var errNoItem = fmt.Errorf("%w: and not an item", errNotSafe)

// ready gives the record of an item that the mailbox may be touched for now. A mail leaves the
// server only when the journal holds its record as it stands: else a lost bus would take the
// key with it, and nothing would bring the mail back. A keyword takes nothing away.
func (m *mailbox) ready(ctx context.Context, item string) (*itemv1.Record, error) {
	record, safe, err := m.service.deps.Archive.Item(ctx, item)
	if err != nil {
		return nil, fmt.Errorf("item record: %w", err)
	}
	if record == nil {
		return nil, errNoItem
	}
	if !isArchived(record) || m.config.After != Keyword && !safe {
		return nil, errNotSafe
	}
	return record, nil
}

// isArchived tells whether an item was filed on its way, and not set aside.
func isArchived(record *itemv1.Record) bool {
	switch record.GetState() {
	case itemv1.State_STATE_FILED, itemv1.State_STATE_RENDERED, itemv1.State_STATE_TICKETED:
		return true
	case itemv1.State_STATE_TOMBSTONE: // its time was over: it need not live on in the mailbox
		return record.GetSetAside() == nil && record.GetClass() != ""
	}
	return false
}

func (s *Service) mailbox(id string) *mailbox {
	for _, m := range s.mailboxes {
		if m.config.ID == id {
			return m
		}
	}
	return nil
}

func (m *mailbox) afterFault(record *itemv1.Record, err error) error {
	if err == nil {
		return nil
	}
	if age := m.service.deps.Now().Sub(record.GetReceived().AsTime()); age > afterGiveUp {
		m.log.Error("mail stays on the server as it is", "item", record.GetItem(), "err", err)
		return nil
	}
	if errors.Is(err, errNotSafe) {
		return fault.LaterFor(err, journalPause, CodeNotSafe)
	}
	code := CodeMailboxAway
	if errors.Is(err, imap.ErrRefused) || errors.Is(err, imap.ErrUnsafe) || errors.Is(err, imap.ErrNoFolder) {
		code = CodeMailboxRefused
	}
	return fault.LaterFor(err, 0, code)
}

// act touches the mailbox for all archived mails that come, in one session of its
// own, until ctx ends.
func (m *mailbox) act(ctx context.Context) {
	var session *imap.Session
	leave := func() {
		if session != nil {
			session.Close()
			session = nil
		}
	}
	defer leave()
	try := func(folder string, its []job) (err error) {
		if session == nil {
			session, err = m.dial(ctx)
		}
		if err == nil {
			err = m.touch(session, folder, its)
		}
		if err != nil {
			m.log.Warn("mailbox not touched", "folder", folder, "mails", len(its), "err", err)
			leave()
		}
		return err
	}
	for {
		jobs := m.gather(ctx)
		if ctx.Err() != nil {
			answer(jobs, ctx.Err())
			return
		}
		if len(jobs) == 0 {
			leave()
			continue
		}
		for folder, its := range byFolder(jobs) {
			err := try(folder, its)
			if err == nil || len(its) == 1 || !theirs(err) {
				answer(its, err)
				continue
			}
			for _, one := range its { // perhaps one of them alone is the matter
				answer([]job{one}, try(folder, []job{one}))
			}
		}
	}
}

// gather gives the next jobs, none where there was nothing to do for a while.
func (m *mailbox) gather(ctx context.Context) []job {
	timer := time.NewTimer(afterIdle)
	defer timer.Stop()
	var jobs []job
	for len(jobs) < batchSize {
		select {
		case j := <-m.jobs:
			jobs = append(jobs, j)
			if len(jobs) == 1 {
				timer.Reset(afterGather)
			}
		case <-timer.C:
			return jobs
		case <-ctx.Done():
			return jobs
		}
	}
	return jobs
}

func byFolder(jobs []job) map[string][]job {
	folders := map[string][]job{}
	for _, j := range jobs {
		folders[j.record.GetFolder()] = append(folders[j.record.GetFolder()], j)
	}
	return folders
}

func answer(jobs []job, err error) {
	for _, j := range jobs {
		j.done <- err
	}
}

// touch does the action to those mails of a folder that are still the same. It is done by one
// at a time, who selects the folder anew: two who moved the same mail would make two of it.
func (m *mailbox) touch(session *imap.Session, folder string, jobs []job) error {
	m.touching.Lock()
	defer m.touching.Unlock()
	opened, err := session.Select(folder)
	if errors.Is(err, imap.ErrNoFolder) {
		return nil // with the folder, its mails are gone
	}
	if err != nil {
		return err
	}
	records := map[uint32]*itemv1.Record{}
	var asked, undated []uint32
	for _, j := range jobs {
		if event.HeadersOnly(j.record) {
			continue // the mail itself is here and nowhere else
		}
		// Under another UIDVALIDITY the UID says nothing. (RFC 3501 §2.3.1.1)
		place := event.Place(j.record)
		if place.GetUidValidity() != opened.Validity {
			continue
		}
		records[place.GetUid()] = j.record
		if place.GetInternalDate().AsTime().Equal(imap.NoDate) { // it was garbled
			undated = append(undated, place.GetUid())
		} else {
			asked = append(asked, place.GetUid())
		}
	}
	there, err := described(session, asked, undated)
	if err != nil {
		return err
	}
	same, err := m.same(session, records, there)
	if err != nil {
		return err
	}
	if len(same) == 0 {
		return nil
	}
	switch m.config.After {
	case Keyword:
		if !opened.Keywords {
			return imap.ErrRefused
		}
		return session.Keyword(same, m.config.Keyword)
	case Move:
		err := session.Move(same, m.config.MoveTo)
		if errors.Is(err, imap.ErrNoFolder) {
			if err = session.CreateFolder(m.config.MoveTo); err == nil {
				err = session.Move(same, m.config.MoveTo)
			}
		}
		return err
	case Delete:
		return session.Delete(same)
	}
	return nil
}

// described tells of mails, of some without their dates.
func described(session *imap.Session, dated, undated []uint32) (there []imap.Mail, err error) {
	for _, some := range []struct {
		which    []uint32
		describe func([]uint32) ([]imap.Mail, error)
	}{{dated, session.Describe}, {undated, session.DescribeUndated}} {
		if len(some.which) == 0 {
			continue
		}
		mails, err := some.describe(some.which)
		if err != nil {
			return nil, err
		}
		there = append(there, mails...)
	}
	return there, nil
}

// same gives the UIDs that still stand for their items' mails: size and date are what they were.
// A mail whose size was never what the server announces is as long as it came: it has to come again.
func (m *mailbox) same(session *imap.Session, records map[uint32]*itemv1.Record, there []imap.Mail) ([]uint32, error) {
	var same []uint32
	var weighed []imap.Mail
	for _, mail := range there {
		record := records[mail.UID]
		switch {
		case record == nil:
		case !mail.Received.Equal(event.Place(record).GetInternalDate().AsTime()):
			m.log.Warn("UID stands for another mail now, which is left alone", "uid", mail.UID)
		case mail.Size == record.GetSize():
			same = append(same, mail.UID)
		case mail.Size <= m.service.config.MaxSize.Bytes() && record.GetSize() <= m.service.config.MaxSize.Bytes():
			weighed = append(weighed, mail)
		}
	}
	if len(weighed) == 0 {
		return same, nil
	}
	err := session.Bodies(weighed, func(body *imap.Body) error {
		if body.Length != records[body.UID].GetSize() {
			m.log.Warn("UID stands for another mail now, which is left alone", "uid", body.UID)
			return nil
		}
		body.Admit()
		if _, err := io.CopyBuffer(onlyWriter{io.Discard}, onlyReader{body}, make([]byte, copyBuffer)); err != nil {
			return err
		}
		same = append(same, body.UID)
		return nil
	}, nil)
	return same, err
}
