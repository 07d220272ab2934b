package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/ingest/imap"
)

// A mail that ingest set aside is an item of which there are only the headers, or nothing.
// When somebody has taken it up again, it is fetched whole, up to the limit in its record,
// and its record completed; where that cannot be, it is set aside once more, and why.

// MaxFetch is the largest mail that is fetched, in bytes, whatever limit somebody gave: larger
// ones are not read by those who come after.
const MaxFetch = 64 << 20

// Codes under which a mail is set aside that was taken up again, besides CodeOversize and those
// of any mail that cannot be taken.
const (
	CodeGone      = "gone_from_server"       // it is not in its folder any more
	CodeChanged   = "changed_on_server"      // its UID stands for a mail of another size or date
	CodeNoMailbox = "mailbox_not_configured" // nobody reads its mailbox any more
	CodeRefused   = "keyring_refused"        // the keyring does not take it, and will not as time passes
)

// refetchTries is how many sessions in a row must fail at the mail itself. A mailbox that is
// away, and what is wrong on our side, is waited for.
const refetchTries = 8

var (
	errNotThere  = errors.New("mail: not in its folder")
	errOtherMail = errors.New("mail: its UID stands for another one")
	errOversize  = errors.New("mail: over the limit")
)

// refetches are the items that are being fetched whole.
type refetches struct {
	working sync.WaitGroup
	mu      sync.Mutex
	items   map[string]bool
}

// refetch fetches a mail whole, beside the sweep that found it. One that is in hand already is
// left to whoever has it.
func (s *Service) refetch(ctx context.Context, record *itemv1.Record) {
	r, item := &s.refetches, record.GetItem()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.items[item] {
		return
	}
	if r.items == nil {
		r.items = map[string]bool{}
	}
	r.items[item] = true
	r.working.Go(func() {
		if err := s.complete(ctx, record); err != nil && ctx.Err() == nil {
			s.log.Error("mail taken up again neither fetched nor set aside", "item", item, "err", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.items, item)
	})
}

// complete tries until the mail is whole or set aside again, or ctx ends.
func (s *Service) complete(ctx context.Context, record *itemv1.Record) error {
	m := s.mailbox(record.GetMailbox())
	switch {
	case m == nil:
		return s.asideAgain(ctx, record, CodeNoMailbox)
	case record.GetSize() > s.fetchLimit(record):
		return s.asideAgain(ctx, record, CodeOversize)
	}
	pause := backoff{least: s.least, most: time.Minute}
	var before weight
	for tries := 1; ; tries++ {
		code, err := m.attend(ctx, record, &before)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if tries >= refetchTries || code == CodeOversize {
			return s.asideAgain(ctx, record, code)
		}
		pause.wait(ctx, err)
	}
}

// attend fetches a mail whole, or tells under which code it cannot be had. Where the mail is
// not the reason it goes on trying, and lets no other mail of the mailbox knock meanwhile.
func (m *mailbox) attend(ctx context.Context, record *itemv1.Record, before *weight) (code string, err error) {
	select {
	case m.refetching <- struct{}{}:
		defer func() { <-m.refetching }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	for pause := (backoff{least: m.service.least, most: time.Minute}); ; {
		err := m.fetch(ctx, record, before)
		if err == nil || ctx.Err() != nil {
			return "", err
		}
		m.log.Warn("mail taken up again not fetched yet", "item", record.GetItem(), "err", err)
		if code := failing(err); code != "" {
			return code, err
		}
		pause.wait(ctx, err)
	}
}

// A weight is what a session gave for a mail that does not come as long as the server tells.
type weight struct {
	length int64
	digest []byte // nil: none has come
}

// take gives the digest that another session gave for as long a body; else it reads this one, for the next to
// compare with.
func (w *weight) take(body *imap.Body, limit int64) (want []byte, err error) {
	if body.Length > limit {
		return nil, errOversize
	}
	body.Admit()
	if w.digest != nil && w.length == body.Length {
		want, w.digest = w.digest, nil
		return want, nil
	}
	sum := sha256.New()
	if _, err := io.CopyBuffer(onlyWriter{sum}, onlyReader{body}, make([]byte, copyBuffer)); err != nil {
		return nil, err
	}
	w.length, w.digest = body.Length, sum.Sum(nil)
	return nil, errSize
}

// fetchLimit is the most bytes that are fetched of a record's mail.
func (s *Service) fetchLimit(record *itemv1.Record) int64 {
	if limit := record.GetFetchLimit(); limit > 0 {
		return min(limit, MaxFetch)
	}
	return s.config.MaxSize.Bytes()
}

// failing is the set-aside code of a mail that fails so every time; empty where the mail is not
// the reason.
func failing(err error) string {
	refusal, refused := keys.RefusalOf(err)
	var at *atMail
	switch {
	case errors.Is(err, errOversize):
		return CodeOversize
	case refusal == keys.Conflict, errors.Is(err, errOtherMail):
		return CodeChanged
	case refused && !refusal.Passing():
		return CodeRefused
	case errors.Is(err, errNotThere):
		return CodeGone
	case errors.Is(err, errSize):
		return CodeUnclearSize
	case errors.Is(err, errWithheld):
		return CodeWithheld
	case errors.Is(err, errPanicked):
		return CodePanicked
	case errors.As(err, &at) && theirs(err) && (!errors.Is(err, imap.ErrBusy) || errors.Is(err, imap.ErrBug)):
		return CodeBreaks
	}
	return ""
}

// atMail is an error that came when the mail itself was asked for.
type atMail struct{ error }

func (a *atMail) Unwrap() error { return a.error }

func asked(err error) error {
	if err == nil {
		return nil
	}
	return &atMail{err}
}

// fetch fetches a mail whole in a session of its own, and completes its record: sealed,
// stored, registered, said, as with any mail.
func (m *mailbox) fetch(ctx context.Context, record *itemv1.Record, before *weight) (err error) {
	defer caught(&err)
	session, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	opened, err := session.Examine(record.GetFolder())
	if errors.Is(err, imap.ErrNoFolder) {
		return errNotThere
	}
	if err != nil {
		return err
	}
	mail, told, err := find(session, opened, record)
	if err != nil {
		return err
	}
	if mail.Size > m.service.fetchLimit(record) {
		return errOversize
	}
	var whole *attempt
	err = session.Bodies([]imap.Mail{mail}, func(body *imap.Body) error {
		if whole != nil {
			return fmt.Errorf("%w: a body came twice", imap.ErrAnswer)
		}
		var want []byte
		switch {
		case body.Length == mail.Size && told == mail.Size:
		case body.Length != mail.Size && told != mail.Size:
			return errSize
		default: // what the server tells is not what comes: it has to come twice
			var err error
			if want, err = before.take(body, m.service.fetchLimit(record)); err != nil {
				return err
			}
		}
		var err error
		whole, err = m.sealWhole(ctx, record, body, want)
		return err
	}, nil)
	if err != nil {
		return asked(err)
	}
	if whole == nil {
		return errWithheld
	}
	session.Close()
	registering, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	if err := whole.register(registering); err != nil {
		return err
	}
	if event.HeadersOnly(whole.record) { // its headers were erased meanwhile, and it stays so
		m.log.Warn("mail taken up again is not completed any more", "item", record.GetItem())
		return nil
	}
	m.log.Info("mail taken up again is whole", "item", record.GetItem())
	return nil
}

// find looks for a record's mail where the server has it, and that it is still the same; and gives the size
// that the server tells now.
func find(session *imap.Session, opened imap.Folder, record *itemv1.Record) (mail imap.Mail, told int64, err error) {
	place := event.Place(record)
	uid := place.GetUid()
	if opened.Validity != place.GetUidValidity() { // it may still be found again under its new number
		return imap.Mail{}, 0, errNotThere
	}
	when, bare := place.GetInternalDate().AsTime(), record.GetSize() == 0
	describe := session.Describe
	if when.Equal(imap.NoDate) && !bare {
		describe = session.DescribeUndated
	}
	there, err := describe([]uint32{uid})
	if err != nil {
		return imap.Mail{}, 0, asked(err)
	}
	if len(there) == 0 {
		listed, err := session.Search(uid)
		if err != nil {
			return imap.Mail{}, 0, err
		}
		if listed.Contains(uid) {
			return imap.Mail{}, 0, errWithheld
		}
		return imap.Mail{}, 0, errNotThere
	}
	if bare { // nothing was known of it: it is what it is now
		return there[0], there[0].Size, nil
	}
	// The size is the record's: what counts is what comes, and servers are wrong about it.
	if !there[0].Received.Equal(when) {
		return imap.Mail{}, 0, errOtherMail
	}
	return imap.Mail{UID: uid, Size: record.GetSize(), Received: when}, there[0].Size, nil
}

// sealWhole seals and stores a body under the id that its mail has.
func (m *mailbox) sealWhole(ctx context.Context, record *itemv1.Record, body *imap.Body, want []byte) (*attempt, error) {
	s := m.service
	leave, err := s.streams.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, streamTimeout)
	defer cancel()
	where := mark{validity: record.GetUidValidity(), generation: record.GetGeneration()}
	mail := body.Mail
	mail.UID = record.GetUid() // under which it came first, and when
	mail.Size = body.Length
	if record.GetSize() != 0 {
		mail.Received = record.GetInternalDate().AsTime()
	}
	whole, err := s.begin(ctx, newFolder(m, record.GetFolder()), where, mail)
	if err != nil {
		return nil, err
	}
	if whole.want = want; record.GetSize() != body.Length {
		whole.told = record.GetSize()
	}
	ctx, span := whole.span(ctx)
	err = whole.storeStream(ctx, body)
	endSpan(span, err)
	return whole, err
}

// asideAgain sets a mail aside that was taken up again, unless somebody else has carried on
// with it: one who slept meanwhile may have missed that.
func (s *Service) asideAgain(ctx context.Context, record *itemv1.Record, code string) error {
	if s.deps.Archive != nil {
		fresh, _, err := s.deps.Archive.Item(ctx, record.GetItem())
		if err != nil {
			return fmt.Errorf("item record: %w", err)
		}
		if !event.Lacking(fresh) {
			return nil
		}
		record = fresh
	}
	s.log.Error("mail taken up again is set aside once more", "item", record.GetItem(), "code", code)
	// Each time is an event of its own.
	return s.sayFor(ctx, record.GetItem()+"."+retriedAt(record), record, code)
}

// retriedAt is when a record was last taken up again, as a word.
func retriedAt(record *itemv1.Record) string {
	past := record.GetPastAsides()
	return strconv.FormatInt(past[len(past)-1].GetRetried().AsTime().UnixNano(), 10)
}
