package imap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postern-mail/postern/services/ingest/uids"
)

// Search lists the UIDs from first upwards that the open folder holds.
func (s *Session) Search(first uint32) (uids.Set, error) {
	if first == 0 {
		first = 1
	}
	count := int64(min(s.count(), maxFolder))
	defer s.conn.ask(maxChatter + count*maxPerSearch)()
	criteria := &imap.SearchCriteria{UID: []imap.UIDSet{{{Start: imap.UID(first), Stop: 0}}}}
	if count == 0 {
		criteria = &imap.SearchCriteria{} // RFC 3501 §9: where there is no mail, * names none
	}
	return s.search(criteria, first)
}

// SearchLacking lists the UIDs of the mails without a keyword; of all, where it is empty.
func (s *Session) SearchLacking(keyword string) (uids.Set, error) {
	if keyword == "" {
		return s.Search(1)
	}
	count := int64(min(s.count(), maxFolder))
	defer s.conn.ask(maxChatter + count*maxPerSearch)()
	return s.search(&imap.SearchCriteria{NotFlag: []imap.Flag{imap.Flag(keyword)}}, 1)
}

func (s *Session) search(criteria *imap.SearchCriteria, first uint32) (uids.Set, error) {
	data, err := s.client.UIDSearch(criteria, nil).Wait()
	if err != nil {
		return uids.Set{}, s.answerError(err)
	}
	listed, _ := data.All.(imap.UIDSet)
	var found uids.Set
	for _, r := range listed {
		// RFC 3501 §6.4.8: n:* names the last mail even where n lies above it.
		if uint32(r.Stop) < first {
			continue
		}
		found.AddRange(max(uint32(r.Start), first), uint32(r.Stop))
	}
	if found.Len() > maxFolder {
		return uids.Set{}, fmt.Errorf("%w: more than %d mails in a folder", ErrAnswer, maxFolder)
	}
	return found, nil
}

// Count is how many mails the open folder holds by what the server has told so far
// (RFC 3501 §7.3.1, §7.4.1).
func (s *Session) Count() uint32 { return s.count() }

func (s *Session) count() uint32 {
	if folder := s.client.Mailbox(); folder != nil {
		return folder.NumMessages
	}
	return 0
}

// A Mail is what a server says of a mail before its body.
type Mail struct {
	UID      uint32
	Size     int64     // RFC822.SIZE
	Received time.Time // INTERNALDATE
}

// NoDate is the INTERNALDATE of a mail of which the server tells none, or none that a
// calendar has.
var NoDate = time.Unix(0, 0).UTC()

// Describe tells size and date of the mails. One that is not in the answer may be gone, or the
// server or somebody's change of its flags kept it out: only a listing tells.
func (s *Session) Describe(which []uint32) ([]Mail, error) { return s.describe(which, true) }

// DescribeUndated is Describe for mails whose dates the server garbles: all have NoDate.
func (s *Session) DescribeUndated(which []uint32) ([]Mail, error) { return s.describe(which, false) }

func (s *Session) describe(which []uint32, dated bool) ([]Mail, error) {
	defer s.conn.ask(maxChatter + int64(len(which))*maxPerMail)()
	command := s.client.Fetch(set(which), &imap.FetchOptions{UID: true, RFC822Size: true, InternalDate: dated})
	mails := make([]Mail, 0, len(which))
	seen := make(map[uint32]bool, len(which))
	for answer := command.Next(); answer != nil; answer = command.Next() {
		mail := Mail{Size: -1, Received: NoDate}
		for item := answer.Next(); item != nil; item = answer.Next() {
			switch item := item.(type) {
			case imapclient.FetchItemDataUID:
				mail.UID = uint32(item.UID)
			case imapclient.FetchItemDataRFC822Size:
				mail.Size = item.Size
			case imapclient.FetchItemDataInternalDate:
				// Protobuf's times begin with the year 1 and end with 9999.
				if year := item.Time.UTC().Year(); year >= 1 && year <= 9999 {
					mail.Received = item.Time
				}
			}
		}
		// An answer without a size is news of flags, which RFC 3501 §7.4.2 lets come at any time.
		if mail.UID != 0 && mail.Size >= 0 && !seen[mail.UID] {
			seen[mail.UID] = true
			mails = append(mails, mail)
		}
	}
	if err := command.Close(); err != nil {
		return nil, s.answerError(err)
	}
	return mails, nil
}

// A Body is one mail as it streams in. Read gives ErrCut where it ends early, so
// io.EOF means all of it.
type Body struct {
	Mail
	// Length is what the literal announces. Whoever stores the mail must compare
	// it with Size.
	Length int64
	from   io.Reader
	read   int64
	broken bool // the connection failed while it was read
	conn   *meter
}

// Admit has the connection take the whole literal, though it is longer than Size.
func (b *Body) Admit() { b.conn.more(b.Length - b.Size) }

func (b *Body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.read += int64(n)
	switch {
	// The library ends a literal at the connection's end as if it were whole.
	case err == io.EOF && b.read != b.Length:
		b.broken = true
		return n, ErrCut
	case err != nil && err != io.EOF:
		b.broken = true
		return n, lostOrGarbled(err)
	}
	return n, err
}

// Bodies streams the mails' bodies in the order that the server chooses. Mails
// that are gone are passed over, also where the server hands over a notice in their place. take reads as much of the body as it likes
// before it returns and keeps the body no longer. whole is called for it once the answer that it came in has
// ended as answers do: what is followed by something else was perhaps no whole mail, whatever length
// was announced. An error of either ends the session's use.
func (s *Session) Bodies(mails []Mail, take, whole func(*Body) error) error {
	known := make(map[uint32]Mail, len(mails))
	for _, mail := range mails {
		known[mail.UID] = mail
	}
	came := make(map[uint32]bool, len(mails))
	some := func(mails []Mail) error { return s.bodies(mails, known, came, take, whole) }
	if !s.lates.numberless() {
		if err := some(mails); err != nil || !s.lates.numberless() {
			return err
		}
	}
	for i := range mails { // each alone, or nobody knows whose a body is
		if came[mails[i].UID] {
			continue
		}
		if err := some(mails[i : i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) bodies(mails []Mail, known map[uint32]Mail, came map[uint32]bool, take, whole func(*Body) error) error {
	which := make([]uint32, 0, len(mails))
	allowance := int64(maxChatter)
	for _, mail := range mails {
		which = append(which, mail.UID)
		allowance += mail.Size + maxPerMail
	}
	return s.fetch(which, allowance, &imap.FetchItemBodySection{Peek: true}, func(uid uint32, body *Body) error {
		mail, asked := known[uid]
		if !asked {
			return fmt.Errorf("%w: a body that nobody asked for", ErrAnswer)
		}
		came[uid] = true
		body.Mail = mail
		if gone, err := body.standIn(); gone || err != nil {
			return err
		}
		return take(body)
	}, whole)
}

// What Courier hands over in the place of a mail whose file it does not find, because somebody
// else has removed it or, for a moment, because its flags, which are part of the file's name,
// change. It tells a size that fits and a date of its own, so nothing else gives it away.
const courierStandIn = "From: System Administrator <root@localhost>\r\nSubject: message unavailable\r\n\r\nThis message is no longer available on the server.\r\n"

// standIn tells whether the body is not the mail but says that there is none. Any other body can
// still be read.
func (b *Body) standIn() (bool, error) {
	if b.Length != int64(len(courierStandIn)) {
		return false, nil
	}
	text := make([]byte, b.Length)
	if _, err := io.ReadFull(b, text); err != nil {
		return false, err
	}
	b.from, b.read = bytes.NewReader(text), 0
	return string(text) == courierStandIn, nil
}

// Headers is a mail's header section with the empty line that ends it. Where it is
// longer than limit, it is cut there.
func (s *Session) Headers(uid uint32, limit int64) ([]byte, error) {
	limit = min(limit, maxHeaderText)
	section := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, Peek: true, Partial: &imap.SectionPartial{Offset: 0, Size: limit}}
	var header bytes.Buffer
	found := false
	err := s.fetch([]uint32{uid}, maxChatter+limit, section, func(_ uint32, body *Body) error {
		found = true
		_, err := io.Copy(&header, io.LimitReader(body, limit))
		return err
	}, nil)
	if err == nil && !found {
		err = ErrGone
	}
	return header.Bytes(), err
}

// ErrGone says that the mail is no longer in the folder.
var ErrGone = errors.New("imap: mail is gone")

func (s *Session) fetch(which []uint32, allowance int64, section *imap.FetchItemBodySection, take func(uint32, *Body) error, whole func(*Body) error) error {
	defer s.conn.ask(allowance)()
	var one *late
	if len(which) == 1 {
		one = s.lates.await(which[0], section, take)
	}
	options := &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}}
	last, err := s.answers(s.client.Fetch(set(which), options), section, one, take, whole)
	if one != nil {
		var body *Body
		if body, err = s.lates.end(one, err); body != nil {
			last = body
		}
	}
	if err != nil || last == nil || whole == nil {
		return err
	}
	return whole(last)
}

// answers reads what comes to a command, and gives the last body, of which the end of the answer was
// the end of the command.
func (s *Session) answers(command *imapclient.FetchCommand, section *imap.FetchItemBodySection, one *late, take func(uint32, *Body) error, whole func(*Body) error) (last *Body, err error) {
	next := func() error {
		body := last
		if last = nil; one.came() {
			return fmt.Errorf("%w: something behind a body without its number", ErrAnswer)
		}
		if body == nil || whole == nil {
			return nil
		}
		return whole(body)
	}
	for answer := command.Next(); answer != nil; answer = command.Next() {
		// The library goes on to an answer only behind the line end of the one before.
		if err := next(); err != nil {
			s.conn.Close()
			_ = command.Close()
			return nil, err
		}
		var uid uint32
		for item := answer.Next(); item != nil; item = answer.Next() {
			switch item := item.(type) {
			case imapclient.FetchItemDataUID:
				uid = uint32(item.UID)
			case imapclient.FetchItemDataBodySection:
				if item.Literal == nil || uid == 0 || !item.MatchCommand(section) {
					continue // NIL: the server has nothing under this UID any more
				}
				body := &Body{Length: item.Literal.Size(), from: item.Literal, conn: s.conn}
				if err := take(uid, body); err != nil {
					s.conn.Close() // what is left may be long: it is not waited for
					if !body.broken {
						// Wakes the library, which waits for this literal to be read.
						_ = command.Close()
					}
					// A broken literal must not be touched again: the library has gone on
					// and reads the same buffer.
					return nil, err
				}
				last = body
			}
		}
	}
	if err := command.Close(); err != nil {
		return nil, s.answerError(err)
	}
	return last, nil
}

func set(which []uint32) imap.UIDSet {
	var numbers imap.UIDSet
	for _, uid := range which {
		numbers.AddNum(imap.UID(uid))
	}
	return numbers
}
