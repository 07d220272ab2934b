package mailbox

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/ingest/imap"
)

func dial(t *testing.T, s *Server) *imap.Session {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	session, err := imap.Dial(t.Context(), imap.Account{
		Host: host, Port: number, Security: imap.Implicit, Roots: s.CA, Username: s.User, Sign: imap.Password(s.Password),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	return session
}

func TestIngestReadsEveryMailByteForByteAndHearsOfNewOnes(t *testing.T) {
	s, err := Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	session := dial(t, s)
	if _, err := session.Examine(Folder); err != nil {
		t.Fatal(err)
	}
	found, err := session.Search(1)
	if err != nil {
		t.Fatal(err)
	}
	described, err := session.Describe(slices.Collect(found.All()))
	if err != nil || len(described) != len(s.Mails()) {
		t.Fatalf("%d mails described, %v; want %d", len(described), err, len(s.Mails()))
	}
	err = session.Bodies(described, func(body *imap.Body) error {
		want := s.Mails()[body.UID-1]
		raw, err := io.ReadAll(body)
		if err != nil || body.Size != body.Length || !bytes.Equal(raw, want.Raw) || !body.Received.Equal(want.Came) {
			t.Errorf("%s: %d bytes of %d, %v", want.Name, len(raw), len(want.Raw), err)
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan error, 1)
	go func() {
		_, err := session.Wait(t.Context(), 2*time.Second)
		heard <- err
	}()
	if err := s.Append([]byte("Subject: new\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := <-heard; err != nil {
		t.Fatal(err)
	}
	if more, err := session.Search(found.Highest() + 1); err != nil || more.Len() != 1 {
		t.Errorf("%d new mails, %v", more.Len(), err)
	}
}

func TestMailsCanBeMarkedMovedAndDeleted(t *testing.T) {
	s, err := Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	session := dial(t, s)
	folder, err := session.Select(Folder)
	if err != nil || !folder.Keywords {
		t.Fatalf("%+v, %v", folder, err)
	}
	if err := session.CreateFolder("Done"); err != nil {
		t.Fatal(err)
	}
	if err := session.Keyword([]uint32{1}, "$Done"); err != nil {
		t.Error(err)
	}
	if err := session.Move([]uint32{2}, "Done"); err != nil {
		t.Error(err)
	}
	if err := session.Delete([]uint32{3}); err != nil {
		t.Error(err)
	}
	if left, err := session.Search(1); err != nil || left.Len() != int64(len(s.Mails())-2) || left.Contains(2) || left.Contains(3) {
		t.Errorf("%d left, %v", left.Len(), err)
	}
}
