package imaptest

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
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

	mu      sync.Mutex
	fetched int
	news    chan struct{}
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

// Fetched returns when bodies were asked for at least n times.
func (s *Script) Fetched(n int) {
	for {
		s.mu.Lock()
		if s.fetched >= n {
			s.mu.Unlock()
			return
		}
		if s.news == nil {
			s.news = make(chan struct{})
		}
		news := s.news
		s.mu.Unlock()
		<-news
	}
}

func (s *Script) talk(conn net.Conn) {
	out := bufio.NewWriter(conn)
	fmt.Fprint(out, "* OK [CAPABILITY IMAP4rev1] ready\r\n")
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
		more := s.answer(out, tag, command, words[2:])
		s.mu.Unlock()
		if out.Flush() != nil || !more {
			return
		}
	}
}

func (s *Script) answer(out *bufio.Writer, tag, command string, words []string) (more bool) {
	switch command {
	case "CAPABILITY":
		fmt.Fprint(out, "* CAPABILITY IMAP4rev1\r\n")
	case "EXAMINE", "SELECT":
		fmt.Fprintf(out, "* %d EXISTS\r\n* OK [UIDVALIDITY %d] ok\r\n", len(s.Mails), s.Validity)
		if s.Next != 0 {
			fmt.Fprintf(out, "* OK [UIDNEXT %d] ok\r\n", s.Next)
		}
	case "SEARCH":
		fmt.Fprint(out, "* SEARCH")
		for _, mail := range s.Mails {
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
		if s.news != nil {
			close(s.news)
			s.news = nil
		}
		if s.Mute {
			return true
		}
		if s.RefuseFetch != "" {
			fmt.Fprintf(out, "* NO %s\r\n%s NO %s\r\n", s.RefuseFetch, tag, s.RefuseFetch)
			return true
		}
		fmt.Fprint(out, s.Garble)
	}
	for i, mail := range s.Mails {
		if !within(mail.UID, words[0]) {
			continue
		}
		if !body {
			date := mail.Date
			if date == "" {
				date = "21-Nov-2026 12:00:00 +0000"
			}
			size := mail.Size
			if size == 0 {
				size = int64(len(mail.Raw))
			}
			fmt.Fprintf(out, "* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE %q)\r\n", i+1, mail.UID, size, date)
			continue
		}
		if mail.Withheld {
			continue
		}
		announce := mail.Announce
		if announce == 0 {
			announce = int64(len(mail.Raw))
		}
		section := "BODY[]"
		if strings.Contains(items, "HEADER") {
			section = "BODY[HEADER]<0>"
		}
		fmt.Fprintf(out, "* %d FETCH (UID %d %s {%d}\r\n", i+1, mail.UID, section, announce)
		if mail.Cut > 0 {
			_, _ = out.Write(mail.Raw[:mail.Cut])
			return false
		}
		_, _ = out.Write(mail.Raw)
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
