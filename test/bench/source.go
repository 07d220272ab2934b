package main

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A source is a mailbox on an IMAP server (RFC 3501) that does nothing but hand mail out,
// as fast as it is taken: one folder, any password, in the clear. It runs in the measuring
// process, so that what it costs is not counted with Postern.
type source struct {
	listener net.Listener

	mu       sync.Mutex
	mails    [][]byte
	appended []time.Time
	news     chan struct{} // closed when mail has come
}

// startSource listens on the loopback interface.
func startSource() (*source, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	s := &source{listener: listener, news: make(chan struct{})}
	go s.serve()
	return s, nil
}

func (s *source) close() { _ = s.listener.Close() }

func (s *source) port() int { return portOf(s.listener.Addr().String()) }

// portOf is the port of an address.
func portOf(address string) int {
	_, text, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text) // an address that was listened on
	return port
}

// add puts mails into the folder at once and tells whoever waits.
func (s *source) add(mails ...[]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for range mails {
		s.appended = append(s.appended, now)
	}
	s.mails = append(s.mails, mails...)
	close(s.news)
	s.news = make(chan struct{})
}

// when tells when the mail of a UID was added.
func (s *source) when(uid uint32) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if uid == 0 || int(uid) > len(s.appended) {
		return time.Time{}, false
	}
	return s.appended[uid-1], true
}

// look gives the mails as they stand and what closes when there are more.
func (s *source) look() ([][]byte, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails, s.news
}

func (s *source) serve() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			s.talk(conn)
		}()
	}
}

// talk answers one client until it leaves.
func (s *source) talk(conn net.Conn) {
	out := bufio.NewWriterSize(conn, 256<<10)
	lines := make(chan string)
	gone := make(chan struct{})
	defer close(gone)
	go func() {
		defer close(lines)
		in := bufio.NewScanner(conn)
		for in.Scan() {
			select {
			case lines <- in.Text():
			case <-gone:
				return
			}
		}
	}()
	fmt.Fprint(out, "* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n")
	for out.Flush() == nil {
		line, open := <-lines
		words := strings.Fields(line)
		if !open || len(words) < 2 {
			return
		}
		tag, command, words := words[0], strings.ToUpper(words[1]), words[2:]
		if command == "UID" && len(words) > 0 {
			command, words = strings.ToUpper(words[0]), words[1:]
		}
		if command == "IDLE" {
			if !s.idle(out, lines) {
				return
			}
		} else {
			s.answer(out, command, words)
		}
		fmt.Fprintf(out, "%s OK done\r\n", tag)
	}
}

// idle waits until the client has heard enough (RFC 2177).
func (s *source) idle(out *bufio.Writer, lines <-chan string) (more bool) {
	fmt.Fprint(out, "+ idling\r\n")
	for {
		mails, news := s.look()
		fmt.Fprintf(out, "* %d EXISTS\r\n", len(mails))
		if out.Flush() != nil {
			return false
		}
		select {
		case _, more = <-lines: // DONE
			return more
		case <-news:
		}
	}
}

func (s *source) answer(out *bufio.Writer, command string, words []string) {
	mails, _ := s.look()
	switch command {
	case "CAPABILITY":
		fmt.Fprint(out, "* CAPABILITY IMAP4rev1 IDLE\r\n")
	case "EXAMINE", "SELECT":
		fmt.Fprintf(out, "* %d EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n* OK [UIDNEXT %d] ok\r\n", len(mails), len(mails)+1)
	case "NOOP":
		fmt.Fprintf(out, "* %d EXISTS\r\n", len(mails))
	case "SEARCH":
		first := 1
		if set := words[len(words)-1]; strings.Contains(set, ":") {
			first, _, _ = span(set, len(mails))
		}
		fmt.Fprint(out, "* SEARCH")
		for uid := first; uid <= len(mails); uid++ {
			fmt.Fprintf(out, " %d", uid)
		}
		fmt.Fprint(out, "\r\n")
	case "FETCH":
		body := strings.Contains(strings.Join(words[1:], " "), "BODY")
		for set := range strings.SplitSeq(words[0], ",") {
			first, last, ok := span(set, len(mails))
			for uid := first; ok && uid <= last; uid++ {
				fetch(out, uid, mails[uid-1], body)
			}
		}
	}
}

func fetch(out *bufio.Writer, uid int, mail []byte, body bool) {
	if !body {
		fmt.Fprintf(out, "* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE \"21-Nov-2026 12:00:00 +0000\")\r\n", uid, uid, len(mail))
		return
	}
	fmt.Fprintf(out, "* %d FETCH (UID %d BODY[] {%d}\r\n", uid, uid, len(mail))
	_, _ = out.Write(mail) // the next Flush tells
	fmt.Fprint(out, ")\r\n")
}

// span reads n, n:m or n:* within a folder of so many mails.
func span(set string, mails int) (first, last int, ok bool) {
	low, high, ranged := strings.Cut(set, ":")
	first, err := strconv.Atoi(low)
	if err != nil {
		return 1, 0, false
	}
	last = first
	if ranged {
		if last, err = strconv.Atoi(high); err != nil { // *
			last = mails
		}
	}
	return max(first, 1), min(last, mails), true
}
