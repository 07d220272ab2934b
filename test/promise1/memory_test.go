package promise1

import (
	"bytes"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"github.com/postern-mail/postern/services/ingest/imaptest"
)

const memoryUser, memoryPassword = "support", "in memory"

// quickDir is a folder of the test's own, in memory where the machine has a place for it:
// hundreds of runs that sync every write would keep a disk busy for nobody.
func quickDir(t *testing.T) string {
	t.Helper()
	parent := "/dev/shm"
	if info, err := os.Stat(parent); err != nil || !info.IsDir() {
		parent = ""
	}
	dir, err := os.MkdirTemp(parent, "promise1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// inMemory is a place whose mailbox is a server in this process.
func inMemory(t *testing.T, mails ...[]byte) life {
	t.Helper()
	user := imapmemserver.NewUser(memoryUser, memoryPassword)
	if err := user.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	came := time.Now().UTC().Truncate(time.Second)
	for _, mail := range mails {
		if _, err := user.Append("INBOX", literal{bytes.NewReader(mail)}, &goimap.AppendOptions{Time: came}); err != nil {
			t.Fatal(err)
		}
	}
	memory := imapmemserver.New()
	memory.AddUser(user)
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		},
		Caps:         goimap.CapSet{goimap.CapIMAP4rev1: {}},
		Logger:       log.New(io.Discard, "", 0),
		InsecureAuth: true,
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	l := life{Data: quickDir(t), Host: "127.0.0.1", Port: portOf(listener), User: memoryUser, Mails: len(mails)}
	l.Password = filepath.Join(l.Data, "password")
	if err := os.WriteFile(l.Password, []byte(memoryPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	return l
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

// checkMemory compares a report with what a second client sees.
func (l life) checkMemory(t *testing.T, r *report, mails [][]byte) {
	t.Helper()
	l.checkAside(t, r, mails, 0)
}

// checkAside is checkMemory where some mails are set aside beside those over the size.
func (l life) checkAside(t *testing.T, r *report, mails [][]byte, aside int) {
	t.Helper()
	client := imaptest.Open(t, net.JoinHostPort(l.Host, itoa(l.Port)), nil, l.User, memoryPassword, "INBOX")
	defer client.Close()
	r.check(t, marked(client), len(oversizeOf(mails))+aside)
}
