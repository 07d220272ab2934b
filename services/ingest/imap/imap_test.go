package imap_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

func account(server *dovecot.Server, security imap.Security, signer imap.Signer) imap.Account {
	address := server.Addr
	if security != imap.Implicit {
		address = server.PlainAddr
	}
	host, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	return imap.Account{Host: host, Port: number, Security: security, Roots: server.CA, Username: "ada", Sign: signer}
}

func dial(t *testing.T, server *dovecot.Server) *imap.Session {
	t.Helper()
	session, err := imap.Dial(t.Context(), account(server, imap.Implicit, imap.Password(dovecot.Password)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	return session
}

func mails(n int) [][]byte {
	var list [][]byte
	for i := range n {
		list = append(list, fmt.Appendf(nil, "From: c%d@example.org\r\nSubject: number %d\r\n\r\nline {5}\r\n)\r\n%s", i, i, bytes.Repeat([]byte("x\r\n"), i*100)))
	}
	return list
}

func TestEveryWayOfSigningInWorksAndIsRefusedWithABadSecret(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Grant("good", "ada")
	for _, security := range []imap.Security{imap.Implicit, imap.StartTLS, imap.Plaintext} {
		for name, pair := range map[string][2]imap.Signer{
			"password":    {imap.Password(dovecot.Password), imap.Password("wrong")},
			"oauthbearer": {imap.Bearer(imap.OAuthBearer, "good"), imap.Bearer(imap.OAuthBearer, "bad")},
			"xoauth2":     {imap.Bearer(imap.XOAuth2, "good"), imap.Bearer(imap.XOAuth2, "bad")},
		} {
			t.Run(string(security)+" "+name, func(t *testing.T) {
				session, err := imap.Dial(t.Context(), account(server, security, pair[0]))
				if err != nil {
					t.Fatalf("good secret: %v\n%s", err, server.Log())
				}
				if _, err := session.Examine("INBOX"); err != nil {
					t.Errorf("examine: %v", err)
				}
				session.Leave()
				if _, err := imap.Dial(t.Context(), account(server, security, pair[1])); !errors.Is(err, imap.ErrSignIn) {
					t.Errorf("bad secret: %v, want %v", err, imap.ErrSignIn)
				}
			})
		}
	}
}

func TestAnUnknownAuthorityIsRefused(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	for _, security := range []imap.Security{imap.Implicit, imap.StartTLS} {
		account := account(server, security, imap.Password(dovecot.Password))
		account.Roots = nil
		if _, err := imap.Dial(t.Context(), account); !errors.Is(err, imap.ErrTLS) {
			t.Errorf("%s: %v, want %v", security, err, imap.ErrTLS)
		}
	}
}

func TestBodiesComeByteForByteAndLeaveNoTrace(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", mails(20)...)
	session := dial(t, server)
	folder, err := session.Examine("INBOX")
	if err != nil {
		t.Fatal(err)
	}
	found, err := session.Search(1)
	if err != nil || found.Len() != 20 {
		t.Fatalf("search: %d mails, %v", found.Len(), err)
	}
	described, err := session.Describe(slices.Collect(found.All()))
	if err != nil || len(described) != 20 {
		t.Fatalf("describe: %d mails, %v", len(described), err)
	}
	got := map[uint32][32]byte{}
	err = session.Bodies(described, func(body *imap.Body) error {
		if body.Length != body.Size {
			t.Errorf("mail %d: literal of %d bytes, size %d", body.UID, body.Length, body.Size)
		}
		if body.UID%5 == 0 {
			return nil // leaving a body unread does not disturb the next
		}
		digest := sha256.New()
		if _, err := io.Copy(digest, body); err != nil {
			return err
		}
		got[body.UID] = [32]byte(digest.Sum(nil))
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := server.List("ada", "INBOX")
	for uid, digest := range want {
		if uid%5 != 0 && got[uid] != digest {
			t.Errorf("mail %d has another digest", uid)
		}
	}
	client := server.Client("ada", "INBOX")
	if folder.Validity != client.Validity() {
		t.Errorf("UIDVALIDITY %d, the other client sees %d", folder.Validity, client.Validity())
	}
	for uid, flags := range client.Flags() {
		if slices.Contains(flags, `\Seen`) {
			t.Errorf("mail %d was marked as seen", uid)
		}
	}
}

func TestSearchAboveTheLastMailFindsNothing(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", mails(3)...)
	session := dial(t, server)
	if _, err := session.Examine("INBOX"); err != nil {
		t.Fatal(err)
	}
	for first, want := range map[uint32]int64{0: 3, 1: 3, 3: 1, 4: 0, 4_000_000_000: 0} {
		if found, err := session.Search(first); err != nil || found.Len() != want {
			t.Errorf("from %d: %d mails, %v; want %d", first, found.Len(), err, want)
		}
	}
}

func TestHeadersEndWithTheEmptyLineOrAtTheLimit(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", []byte("Subject: a\r\nX-B: c\r\n\r\nbody\r\n"))
	session := dial(t, server)
	if _, err := session.Examine("INBOX"); err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int64]string{1000: "Subject: a\r\nX-B: c\r\n\r\n", 22: "Subject: a\r\nX-B: c\r\n\r\n", 21: "Subject: a\r\nX-B: c\r\n\r"} {
		if got, err := session.Headers(1, limit); err != nil || string(got) != want {
			t.Errorf("limit %d: %q, %v", limit, got, err)
		}
	}
	if _, err := session.Headers(7, 100); !errors.Is(err, imap.ErrGone) {
		t.Errorf("absent mail: %v, want %v", err, imap.ErrGone)
	}
}

func TestAFolderThatIsNotThereIsNamedSo(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	if _, err := dial(t, server).Examine("Nowhere"); !errors.Is(err, imap.ErrNoFolder) {
		t.Errorf("%v, want %v", err, imap.ErrNoFolder)
	}
}

func TestWaitReturnsWhenMailComesOrTimeIsUpOrTheContextEnds(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	session := dial(t, server)
	if _, err := session.Examine("INBOX"); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() {
		news, err := session.Wait(t.Context(), time.Hour)
		if err == nil && !news {
			err = errors.New("no news")
		}
		waited <- err
	}()
	server.Append("ada", "INBOX", mails(1)...)
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
	if _, err := session.Wait(t.Context(), time.Millisecond); err != nil {
		t.Fatalf("time is up: %v", err)
	}
	if found, err := session.Search(1); err != nil || found.Len() != 1 {
		t.Fatalf("after waiting: %d mails, %v", found.Len(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := session.Wait(ctx, time.Hour)
		waited <- err
	}()
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestActionsTouchOnlyWhatIsNamedAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", mails(5)...)
	other := server.Client("ada", "INBOX")
	other.Do(`UID STORE 5 +FLAGS (\Deleted)`) // somebody else's, not ours to expunge
	session := dial(t, server)
	folder, err := session.Select("INBOX")
	if err != nil || !folder.Keywords {
		t.Fatalf("select: %+v, %v", folder, err)
	}
	if err := session.CreateFolder("Done"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := errors.Join(session.CreateFolder("Done"), session.Keyword([]uint32{1, 77}, "$Postern"),
			session.Move([]uint32{2, 77}, "Done"), session.Delete([]uint32{3, 77}))
		if err != nil {
			t.Fatal(err)
		}
	}
	left := server.Client("ada", "INBOX")
	if got := left.UIDs(); !slices.Equal(got, []uint32{1, 4, 5}) {
		t.Errorf("left: %v, want 1 4 5", got)
	}
	if flags := left.Flags(); !slices.Contains(flags[1], "$Postern") || slices.Contains(flags[4], "$Postern") {
		t.Errorf("flags %v", flags)
	}
	if n := server.Count("ada", "Done"); n != 1 {
		t.Errorf("%d mails moved, want 1", n)
	}
}
