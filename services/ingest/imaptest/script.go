package imaptest

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Script is a mail server that misbehaves as told: in the clear, one folder, any
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
	// News tells of flags before each answer to FETCH, as it may (RFC 3501 §7.4.2).
	News bool

	sessions int
	mu       sync.Mutex
	fetched  int
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
	// Vary gives the bytes of the n-th answer, the first being 1, in place of Raw.
	Vary func(n int) []byte
	// Sizes are the sizes told first, one an answer; then Size is.
	Sizes []int64
	// Dates likewise.
	Dates []string

	given int
}

// Serve starts the server; it ends with the test.
func (s *Script) Serve(t testing.TB) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
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
	return listener.Addr().String()
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

// Fetched returns when bodies were asked for at least n times.
func (s *Script) Fetched(n int) { s.await(func() bool { return s.fetched >= n }) }

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
	out := bufio.NewWriter(conn)
	s.mu.Lock()
	s.sessions++
	session, greeting := s.sessions, s.Greeting
	s.tell()
	s.mu.Unlock()
	if greeting == "" {
		greeting = "* OK [CAPABILITY IMAP4rev1] ready"
	}
	fmt.Fprint(out, greeting+"\r\n")
	_ = out.Flush()
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
		s.mu.Lock()
		more := s.answer(out, session, tag, command, words[2:])
		s.mu.Unlock()
		if out.Flush() != nil || !more {
			return
		}
	}
}

func (s *Script) answer(out *bufio.Writer, session int, tag, command string, words []string) (more bool) {
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
		fmt.Fprint(out, "* CAPABILITY IMAP4rev1\r\n")
	case "EXAMINE", "SELECT":
		exists := len(s.Mails)
		if s.Exists != 0 {
			exists = s.Exists
		}
		fmt.Fprintf(out, "* %d EXISTS\r\n* OK [UIDVALIDITY %d] ok\r\n", exists, validity)
		if next != 0 {
			fmt.Fprintf(out, "* OK [UIDNEXT %d] ok\r\n", next)
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
	case "LOGOUT":
		fmt.Fprint(out, "* BYE\r\n")
	}
	fmt.Fprintf(out, "%s OK done\r\n", tag)
	return true
}

func (s *Script) fetch(out *bufio.Writer, tag string, words []string) (more bool) {
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
