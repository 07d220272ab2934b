package imaptest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Script is a mail server that misbehaves as told: one folder, any user and
// password. Its fields may be changed with Change while it runs.
type Script struct {
	Validity uint32
	Next     uint32 // UIDNEXT; 0: not told
	Mails    []ScriptMail
	// RefuseFetch answers every FETCH of a body with NO and this text.
	RefuseFetch string
	// Garble stands before every body's FETCH answer, as it is.
	Garble string
	// Mute answers no FETCH of a body at all.
	Mute bool
	// Greeting stands in place of the greeting, without its line end.
	Greeting string
	// Refuse answers commands, by their names, with NO and these texts. One that begins with BYE is
	// said unasked, and the connection ends.
	Refuse map[string]string
	// ReadOnly answers SELECT with [READ-ONLY].
	ReadOnly bool
	// Exists is the number of mails told at EXAMINE; 0: the true one.
	Exists int
	// Next and Validity as the sessions of these numbers are told, the first being 1.
	NextIn, ValidityIn map[int]uint32
	// ModSeq is HIGHESTMODSEQ (RFC 7162 §3.1.2); 0: CONDSTORE is not offered.
	ModSeq uint64
	// Certificate is what ServeTLS shows.
	Certificate *tls.Certificate
	// Idle offers IDLE (RFC 2177), in which nothing is ever announced.
	Idle bool
	// Unparsed answers BAD where CONDSTORE is asked for.
	Unparsed bool
	// Stir tells of mails so many times in the answers to NOOP.
	Stir int
	// Before writes what it likes before the answer to a command, by its name; to the connection itself under
	// the name GREETING. It is called without any lock, and its error ends the connection.
	Before map[string]func(io.Writer) error
	// On is called with each command before it is answered, and how often it was given by now. It may
	// change the script.
	On func(s *Script, command string, given int)
	// Drip hands answers over in so many bytes each time, with a pause after each.
	Drip  int
	Pause time.Duration
	// News tells of flags before each answer to FETCH, as it may (RFC 3501 §7.4.2).
	News bool
	// Rewrite gives what is sent in place of the answer to a command, of which it is told the line.
	Rewrite func(line string, answer []byte) []byte

	sessions int
	mu       sync.Mutex
	fetched  int
	given    map[string]int // commands by name
	news     chan struct{}
}

// A ScriptMail is one mail, and how it is lied about.
type ScriptMail struct {
	UID  uint32
	Raw  []byte
	Size int64 // RFC822.SIZE; 0: the true one
	// Announce is the length that the literal tells; 0: the true one.
	Announce int64
	// Cut ends the connection after that many bytes of the literal; 0: never.
	Cut int
	// Date is the INTERNALDATE; empty: one for all.
	Date string
	// Withheld leaves it out of the answers to FETCH of bodies.
	Withheld bool
	// Undescribed leaves it out of so many answers to FETCH of sizes, Unlisted out of so many to SEARCH.
	Undescribed, Unlisted int
	// Breaks ends the connection when its body is asked for.
	Breaks bool
	// BadSize and BadBody stand in place of its answers to FETCH, as they are.
	BadSize, BadBody string
	// Twice gives its body a second time.
	Twice bool
	// Vary gives the bytes of the n-th answer, the first being 1, in place of Raw.
	Vary func(n int) []byte
	// Sizes are the sizes told first, one an answer; then Size is.
	Sizes []int64
	// Dates likewise.
	Dates []string

	given int
}

// Serve starts the server in the clear; it ends with the test.
func (s *Script) Serve(t testing.TB) (address string) {
	t.Helper()
	return s.serve(t, nil)
}

// ServeTLS is Serve with TLS from the first byte, each connection with the certificate that the script has then.
func (s *Script) ServeTLS(t testing.TB) (address string) {
	t.Helper()
	return s.serve(t, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.Certificate, nil
	}})
}

func (s *Script) serve(t testing.TB, secured *tls.Config) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	if secured != nil {
		listener = tls.NewListener(listener, secured)
	}
	var serving sync.WaitGroup
	open := map[net.Conn]bool{}
	t.Cleanup(func() {
		listener.Close()
		s.mu.Lock()
		for conn := range open {
			conn.Close()
		}
		s.mu.Unlock()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			open[conn] = true
			s.mu.Unlock()
			serving.Go(func() {
				defer conn.Close()
				s.talk(conn)
			})
		}
	})
	return address
}

// Change changes the script while nobody reads it.
func (s *Script) Change(f func(*Script)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// tell wakes whoever waits; mu is held.
func (s *Script) tell() {
	if s.news != nil {
		close(s.news)
		s.news = nil
	}
}

// Sessions returns when at least n connections have been opened.
func (s *Script) Sessions(n int) { s.await(func() bool { return s.sessions >= n }) }

// Opened is how many connections have been opened.
func (s *Script) Opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

// Fetched returns when bodies were asked for at least n times.
func (s *Script) Fetched(n int) { s.await(func() bool { return s.fetched >= n }) }

// Given returns when a command was given at least n times more, and tells how often by then.
func (s *Script) Given(command string, more int) int {
	s.mu.Lock()
	n := s.given[command] + more
	s.mu.Unlock()
	s.await(func() bool { return s.given[command] >= n })
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given[command]
}

// Asked is how often bodies were asked for.
func (s *Script) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetched
}

func (s *Script) await(met func() bool) {
	deadline := time.After(time.Minute) // only so that a failure ends
	for {
		s.mu.Lock()
		if met() {
			s.mu.Unlock()
			return
		}
		if s.news == nil {
			s.news = make(chan struct{})
		}
		news := s.news
		s.mu.Unlock()
		select {
		case <-news:
		case <-deadline:
			return
		}
	}
}

func (s *Script) talk(conn net.Conn) {
	s.mu.Lock()
	s.sessions++
	session, greeting, before := s.sessions, s.Greeting, s.Before["GREETING"]
	if greeting == "" {
		greeting = "* OK [CAPABILITY " + s.capabilities() + "] ready"
	}
	s.tell()
	s.mu.Unlock()
	if before != nil && before(conn) != nil {
		return
	}
	fmt.Fprint(conn, greeting+"\r\n")
	in := bufio.NewScanner(conn)
	for in.Scan() {
		words := strings.Fields(in.Text())
		if len(words) < 2 {
			return
		}
		tag, command := words[0], strings.ToUpper(words[1])
		if command == "UID" && len(words) > 2 {
			command = strings.ToUpper(words[2])
			words = words[1:]
		}
		var answer bytes.Buffer
		s.mu.Lock()
		if s.given == nil {
			s.given = map[string]int{}
		}
		s.given[command]++
		s.tell()
		if s.On != nil {
			s.On(s, command, s.given[command])
		}
		more := s.answer(&answer, session, tag, command, words[2:])
		text := answer.Bytes()
		if s.Rewrite != nil {
			text = s.Rewrite(in.Text(), text)
		}
		before, drip, pause := s.Before[command], s.Drip, s.Pause
		s.mu.Unlock()
		if before != nil && before(conn) != nil {
			return
		}
		if command == "IDLE" {
			if _, err := io.WriteString(conn, "+ idling\r\n"); err != nil || !in.Scan() { // DONE
				return
			}
		}
		if hand(conn, text, drip, pause) != nil || !more {
			return
		}
	}
}

// hand writes an answer, in pieces where drip says so.
func hand(conn io.Writer, answer []byte, drip int, pause time.Duration) error {
	for drip > 0 && len(answer) > drip {
		if _, err := conn.Write(answer[:drip]); err != nil {
			return err
		}
		answer = answer[drip:]
		<-time.After(pause)
	}
	_, err := conn.Write(answer)
	return err
}

func (s *Script) capabilities() string {
	text := "IMAP4rev1"
	if s.ModSeq != 0 {
		text += " CONDSTORE"
	}
	if s.Idle {
		text += " IDLE"
	}
	return text
}

func (s *Script) answer(out *bytes.Buffer, session int, tag, command string, words []string) (more bool) {
	if text, refused := s.Refuse[command]; refused {
		if strings.HasPrefix(text, "BYE") {
			fmt.Fprintf(out, "* %s\r\n", text)
			return false
		}
		fmt.Fprintf(out, "%s NO %s\r\n", tag, text)
		return true
	}
	validity, next := s.Validity, s.Next
	if told, ok := s.ValidityIn[session]; ok {
		validity = told
	}
	if told, ok := s.NextIn[session]; ok {
		next = told
	}
	switch command {
	case "CAPABILITY":
		fmt.Fprintf(out, "* CAPABILITY %s\r\n", s.capabilities())
	case "EXAMINE", "SELECT":
		if s.Unparsed && strings.HasSuffix(strings.Join(words, " "), "(CONDSTORE)") {
			fmt.Fprintf(out, "%s BAD what\r\n", tag)
			return true
		}
		exists := len(s.Mails)
		if s.Exists != 0 {
			exists = s.Exists
		}
		fmt.Fprintf(out, "* %d EXISTS\r\n* OK [UIDVALIDITY %d] ok\r\n", exists, validity)
		if next != 0 {
			fmt.Fprintf(out, "* OK [UIDNEXT %d] ok\r\n", next)
		}
		if s.ModSeq != 0 {
			fmt.Fprintf(out, "* OK [HIGHESTMODSEQ %d] ok\r\n", s.ModSeq)
		}
		if command == "SELECT" && s.ReadOnly {
			fmt.Fprintf(out, "%s OK [READ-ONLY] done\r\n", tag)
			return true
		}
	case "SEARCH":
		fmt.Fprint(out, "* SEARCH")
		for i := range s.Mails {
			mail := &s.Mails[i]
			if mail.Unlisted > 0 {
				mail.Unlisted--
				continue
			}
			if mail.UID >= first(words) {
				fmt.Fprintf(out, " %d", mail.UID)
			}
		}
		fmt.Fprint(out, "\r\n")
	case "FETCH":
		return s.fetch(out, tag, words)
	case "NOOP":
		if s.Stir > 0 {
			s.Stir--
			fmt.Fprintf(out, "* %d EXISTS\r\n", len(s.Mails))
		}
	case "LOGOUT":
		fmt.Fprint(out, "* BYE\r\n")
	}
	fmt.Fprintf(out, "%s OK done\r\n", tag)
	return true
}

func (s *Script) fetch(out *bytes.Buffer, tag string, words []string) (more bool) {
	items := strings.Join(words[1:], " ")
	body := strings.Contains(items, "BODY")
	if body {
		s.fetched++
		s.tell()
		if s.Mute {
			return true
		}
		if s.RefuseFetch != "" {
			fmt.Fprintf(out, "* NO %s\r\n%s NO %s\r\n", s.RefuseFetch, tag, s.RefuseFetch)
			return true
		}
		fmt.Fprint(out, s.Garble)
	}
	for i := range s.Mails {
		mail := &s.Mails[i]
		if !within(mail.UID, words[0]) {
			continue
		}
		if s.News {
			fmt.Fprintf(out, "* %d FETCH (FLAGS (\\Flagged) UID %d)\r\n", i+1, mail.UID)
		}
		if !body {
			if mail.Undescribed > 0 {
				mail.Undescribed--
				continue
			}
			date := mail.Date
			if len(mail.Dates) > 0 {
				date, mail.Dates = mail.Dates[0], mail.Dates[1:]
			}
			if date == "" {
				date = "21-Nov-2026 12:00:00 +0000"
			}
			size := mail.Size
			if len(mail.Sizes) > 0 {
				size, mail.Sizes = mail.Sizes[0], mail.Sizes[1:]
			}
			if size == 0 {
				size = int64(len(mail.Raw))
			}
			if mail.BadSize != "" {
				fmt.Fprint(out, mail.BadSize)
				continue
			}
			if date == "none" || !strings.Contains(items, "INTERNALDATE") {
				fmt.Fprintf(out, "* %d FETCH (UID %d RFC822.SIZE %d)\r\n", i+1, mail.UID, size)
			} else {
				fmt.Fprintf(out, "* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE %q)\r\n", i+1, mail.UID, size, date)
			}
			continue
		}
		if mail.Withheld {
			continue
		}
		if mail.Breaks {
			return false
		}
		if mail.BadBody != "" {
			fmt.Fprint(out, mail.BadBody)
			continue
		}
		raw := mail.Raw
		mail.given++
		if mail.Vary != nil {
			raw = mail.Vary(mail.given)
		}
		if strings.Contains(items, "HEADER") {
			if head, _, found := bytes.Cut(raw, []byte("\r\n\r\n")); found {
				raw = raw[:len(head)+4]
			}
		}
		announce := mail.Announce
		if announce == 0 || strings.Contains(items, "HEADER") {
			announce = int64(len(raw))
		}
		section := "BODY[]"
		if strings.Contains(items, "HEADER") {
			section = "BODY[HEADER]<0>"
		}
		fmt.Fprintf(out, "* %d FETCH (UID %d %s {%d}\r\n", i+1, mail.UID, section, announce)
		if mail.Cut > 0 {
			_, _ = out.Write(raw[:mail.Cut])
			return false
		}
		_, _ = out.Write(raw)
		fmt.Fprint(out, ")\r\n")
		if mail.Twice {
			fmt.Fprintf(out, "* %d FETCH (UID %d %s {%d}\r\n%s)\r\n", i+1, mail.UID, section, len(raw), raw)
		}
	}
	fmt.Fprintf(out, "%s OK done\r\n", tag)
	return true
}

// first reads the lower end of UID n:* in a SEARCH.
func first(words []string) uint32 {
	for _, word := range words {
		if low, _, ok := strings.Cut(word, ":"); ok {
			n, _ := strconv.ParseUint(low, 10, 32)
			return uint32(n)
		}
	}
	return 1
}

// within tells whether a sequence set such as 1:3,7 names uid.
func within(uid uint32, set string) bool {
	for part := range strings.SplitSeq(set, ",") {
		low, high, ranged := strings.Cut(part, ":")
		if !ranged {
			high = low
		}
		from, _ := strconv.ParseUint(low, 10, 32)
		to, err := strconv.ParseUint(high, 10, 32)
		if err != nil { // *
			to = 1<<32 - 1
		}
		if uint64(uid) >= from && uint64(uid) <= to {
			return true
		}
	}
	return false
}
