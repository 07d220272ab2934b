package imap_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/ingest/imap"
)

// FuzzAnswers lets a server say anything in answer to the commands of a session. It
// must end, without a panic, in an error of ours or in mails that are whole.
func FuzzAnswers(f *testing.F) {
	f.Add("* 1 EXISTS\r\n* OK [UIDVALIDITY 3] ok\r\n", "* SEARCH 1\r\n",
		"* 1 FETCH (UID 1 RFC822.SIZE 3 INTERNALDATE \"21-Nov-2026 12:00:00 +0000\")\r\n", "* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n")
	f.Add("* OK [UIDVALIDITY 0]\r\n", "", "", "")
	f.Add("* OK [UIDVALIDITY 9] x\r\n* 4294967295 EXISTS\r\n", "* ESEARCH (TAG \"T4\") UID ALL 1:4294967295\r\n", "* 1 FETCH (UID 1)\r\n", "* 1 EXPUNGE\r\n")
	f.Add("* OK [UIDVALIDITY 9] x\r\n", "* SEARCH 1 2\r\n", "* 1 FETCH (RFC822.SIZE -1 UID 1)\r\n", "* 1 FETCH (BODY[] {5}\r\nabcde UID 1)\r\n* BYE\r\n")
	f.Add("* OK [UIDVALIDITY 9] x\r\n", "* SEARCH 1 2\r\n", "* 2 FETCH (UID 2 RFC822.SIZE 5 INTERNALDATE \"x\")\r\n", "* 1 FETCH (UID 1 BODY[] {99999999999}\r\nabc")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	defer listener.Close()
	address := listener.Addr().(*net.TCPAddr)
	f.Fuzz(func(t *testing.T, examine, search, describe, body string) {
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, "* OK [CAPABILITY IMAP4rev1] hello\r\n")
			in := bufio.NewScanner(conn)
			for in.Scan() {
				tag, command, _ := strings.Cut(in.Text(), " ")
				switch {
				case strings.HasPrefix(command, "EXAMINE"):
					io.WriteString(conn, examine)
				case strings.HasPrefix(command, "UID SEARCH"):
					io.WriteString(conn, search)
				case strings.Contains(command, "RFC822.SIZE"):
					io.WriteString(conn, describe)
				case strings.Contains(command, "BODY"):
					io.WriteString(conn, body)
				case strings.HasPrefix(command, "CAPABILITY"):
					io.WriteString(conn, "* CAPABILITY IMAP4rev1\r\n")
				}
				fmt.Fprintf(conn, "%s OK done\r\n", tag)
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		session, err := imap.Dial(ctx, imap.Account{
			Host: "127.0.0.1", Port: address.Port, Security: imap.Plaintext, Username: "ada", Sign: imap.Password("x"), Silence: 100 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		ours(t, converse(session))
		if ctx.Err() != nil {
			t.Error("the session did not end")
		}
	})
}

func converse(session *imap.Session) error {
	folder, err := session.Examine("INBOX")
	if err != nil {
		return err
	}
	if folder.Validity == 0 {
		return errors.New("a folder without UIDVALIDITY was opened")
	}
	found, err := session.Search(1)
	if err != nil {
		return err
	}
	var which []uint32
	for uid := range found.All() {
		if which = append(which, uid); len(which) == 50 {
			break
		}
	}
	if len(which) == 0 {
		return nil
	}
	mails, err := session.Describe(which)
	if err != nil || len(mails) == 0 {
		return err
	}
	var open *imap.Body // that is not whole yet
	err = session.Bodies(mails, func(body *imap.Body) error {
		if open != nil {
			return errors.New("a body came while the one before was not whole")
		}
		open = body
		n, err := io.Copy(io.Discard, body)
		if err == nil && n != body.Length {
			return fmt.Errorf("a body of %d bytes was said to have %d and ended well", n, body.Length)
		}
		return err
	}, func(body *imap.Body) error {
		if body != open {
			return errors.New("a body is whole that did not come last")
		}
		open = nil
		return nil
	})
	if err == nil && open != nil {
		return errors.New("all is well and a body is not whole")
	}
	return err
}

// ours fails for an error that is none of the package's.
func ours(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, known := range []error{imap.ErrAnswer, imap.ErrLost, imap.ErrFlood, imap.ErrCut, imap.ErrBusy, imap.ErrBye, imap.ErrRefused, imap.ErrNoFolder} {
		if errors.Is(err, known) {
			return
		}
	}
	t.Errorf("another error: %v", err)
}
