// Package imaptest holds what tests of mailboxes need: a plain IMAP client
// (RFC 3501) that shares no code with the one under test, a server that misbehaves as told, and
// a proxy that cuts connections. It is for tests alone: it keeps whole mails in memory and stops
// the test at the first thing it does not expect.
package imaptest

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A Client is one connection with one folder selected.
type Client struct {
	t        testing.TB
	conn     net.Conn
	in       *bufio.Reader
	commands int
	validity uint32
}

// Open signs in over TLS and selects folder, where one is named, for reading and writing. With
// nil for trust the connection is in the clear.
func Open(t testing.TB, address string, trust *tls.Config, user, password, folder string) *Client {
	t.Helper()
	var (
		conn net.Conn
		err  error
	)
	if trust == nil {
		conn, err = net.Dial("tcp", address)
	} else {
		conn, err = tls.Dial("tcp", address, trust)
	}
	if err != nil {
		t.Fatalf("imap test client: %v", err)
	}
	client := &Client{t: t, conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	if _, greeting := client.line(); !strings.HasPrefix(greeting, "* OK") {
		t.Fatalf("imap test client: greeting %.40q", greeting)
	}
	client.do(fmt.Sprintf("LOGIN %q %q", user, password))
	if folder != "" {
		client.SelectFolder(folder)
	}
	return client
}

// Close ends the connection.
func (c *Client) Close() { c.conn.Close() }

// SelectFolder selects another folder.
func (c *Client) SelectFolder(folder string) {
	c.t.Helper()
	for _, answer := range c.do(fmt.Sprintf("SELECT %q", folder)) {
		if m := validityCode.FindStringSubmatch(answer.text); m != nil {
			c.validity = c.number(m[1])
		}
	}
}

// Validity is the UIDVALIDITY of the selected folder.
func (c *Client) Validity() uint32 { return c.validity }

// Append puts a mail into a folder.
func (c *Client) Append(folder string, raw []byte) {
	c.t.Helper()
	c.send(fmt.Sprintf("APPEND %q {%d}", folder, len(raw)))
	if _, answer := c.line(); !strings.HasPrefix(answer, "+") {
		c.t.Fatalf("imap test client: append answered %.60q", answer)
	}
	if _, err := c.conn.Write(append(raw[:len(raw):len(raw)], '\r', '\n')); err != nil {
		c.t.Fatalf("imap test client: %v", err)
	}
	c.finish()
}

// Offer puts mails into a folder by one command (RFC 3502 where there are several), the first under
// an INTERNALDATE where one is given, and tells whether the server took them, all or none: there
// are mails that one server keeps and another refuses.
func (c *Client) Offer(folder, date string, list ...[]byte) (taken bool) {
	c.t.Helper()
	if date != "" {
		date = strconv.Quote(date) + " "
	}
	c.send(fmt.Sprintf("APPEND %q %s{%d}", folder, date, len(list[0])))
	for {
		_, answer := c.line()
		switch {
		case strings.HasPrefix(answer, "+") && len(list) > 0:
			end := "\r\n"
			if len(list) > 1 {
				end = fmt.Sprintf(" {%d}\r\n", len(list[1]))
			}
			if _, err := c.conn.Write(append(list[0][:len(list[0]):len(list[0])], end...)); err != nil {
				c.t.Fatalf("imap test client: %v", err)
			}
			list = list[1:]
		case strings.HasPrefix(answer, "* "):
		default:
			return strings.HasPrefix(answer, fmt.Sprintf("a%d OK", c.commands))
		}
	}
}

// Capabilities are what the server offers now.
func (c *Client) Capabilities() []string {
	c.t.Helper()
	for _, answer := range c.do("CAPABILITY") {
		if words := strings.Fields(answer.text); len(words) > 1 && words[1] == "CAPABILITY" {
			return words[2:]
		}
	}
	return nil
}

// Create makes a folder.
func (c *Client) Create(folder string) { c.do(fmt.Sprintf("CREATE %q", folder)) }

// Remove deletes a folder.
func (c *Client) Remove(folder string) { c.do(fmt.Sprintf("DELETE %q", folder)) }

// Do runs a command and returns the text of its untagged answers.
func (c *Client) Do(command string) []string {
	c.t.Helper()
	var lines []string
	for _, answer := range c.do(command) {
		lines = append(lines, answer.text)
	}
	return lines
}

// UIDs lists the folder, in order.
func (c *Client) UIDs() []uint32 {
	c.t.Helper()
	var uids []uint32
	for _, answer := range c.do("UID SEARCH ALL") {
		words := strings.Fields(answer.text)
		if len(words) < 2 || words[1] != "SEARCH" {
			continue
		}
		for _, word := range words[2:] {
			uids = append(uids, c.number(word))
		}
	}
	return uids
}

// Raw is every mail of the folder, by UID, byte for byte. \Seen stays as it is.
func (c *Client) Raw() map[uint32][]byte {
	c.t.Helper()
	mails := map[uint32][]byte{}
	c.each("BODY.PEEK[]", func(uid uint32, answer answer) { mails[uid] = answer.literal })
	return mails
}

// Digests is the SHA-256 of every mail of the folder, by UID.
func (c *Client) Digests() map[uint32][sha256.Size]byte {
	c.t.Helper()
	digests := map[uint32][sha256.Size]byte{}
	c.each("BODY.PEEK[]", func(uid uint32, answer answer) { digests[uid] = sha256.Sum256(answer.literal) })
	return digests
}

// Flags is the flags of every mail of the folder, by UID.
func (c *Client) Flags() map[uint32][]string {
	c.t.Helper()
	flags := map[uint32][]string{}
	c.each("FLAGS", func(uid uint32, answer answer) {
		if m := flagList.FindStringSubmatch(answer.text); m != nil {
			flags[uid] = strings.Fields(m[1])
		}
	})
	return flags
}

func (c *Client) each(item string, f func(uid uint32, answer answer)) {
	c.t.Helper()
	if len(c.UIDs()) == 0 {
		return
	}
	for _, answer := range c.do("UID FETCH 1:* (UID " + item + ")") {
		if m := uidItem.FindStringSubmatch(answer.text); m != nil {
			f(c.number(m[1]), answer)
		}
	}
}

var (
	validityCode = regexp.MustCompile(`\[UIDVALIDITY (\d+)\]`)
	uidItem      = regexp.MustCompile(`FETCH \(.*?UID (\d+)`)
	flagList     = regexp.MustCompile(`FLAGS \(([^)]*)\)`)
	literalEnd   = regexp.MustCompile(`\{(\d+)\}$`)
)

// An answer is one untagged response and the last literal in it.
type answer struct {
	text    string
	literal []byte
}

func (c *Client) do(command string) []answer {
	c.t.Helper()
	c.send(command)
	return c.finish()
}

func (c *Client) send(command string) {
	c.t.Helper()
	c.commands++
	if _, err := fmt.Fprintf(c.conn, "a%d %s\r\n", c.commands, command); err != nil {
		c.t.Fatalf("imap test client: %v", err)
	}
}

func (c *Client) finish() []answer {
	c.t.Helper()
	var answers []answer
	tag := fmt.Sprintf("a%d ", c.commands)
	for {
		literal, line := c.line()
		if rest, ok := strings.CutPrefix(line, tag); ok {
			if !strings.HasPrefix(rest, "OK") {
				c.t.Fatalf("imap test client: command answered %.80q", rest)
			}
			return answers
		}
		answers = append(answers, answer{line, literal})
	}
}

// line reads one response with the literals in it.
func (c *Client) line() (literal []byte, text string) {
	c.t.Helper()
	var whole strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("imap test client: %v", err)
		}
		line = strings.TrimRight(line, "\r\n")
		whole.WriteString(line)
		m := literalEnd.FindStringSubmatch(line)
		if m == nil {
			return literal, whole.String()
		}
		literal = make([]byte, c.number(m[1]))
		if _, err := io.ReadFull(c.in, literal); err != nil {
			c.t.Fatalf("imap test client: literal: %v", err)
		}
	}
}

func (c *Client) number(s string) uint32 {
	c.t.Helper()
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		c.t.Fatalf("imap test client: number %.20q", s)
	}
	return uint32(n)
}
