package program

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/services/verify"
)

// One is a Postern with everything inside this process, and the demonstration's mails in
// its mailbox.
type One struct {
	Data    string // its data directory
	Box     *mailbox.Server
	Process *wiring.Process
	end     func() error
}

// StartOne starts a Postern that ends with the test. Somebody who may do everything at its
// desk is there, and those who are named beside.
func StartOne(t *testing.T, options wiring.Options, users ...desk.User) *One {
	t.Helper()
	dir := t.TempDir()
	box, err := mailbox.Start(t.Context(), filepath.Join(dir, "mailbox"))
	if err != nil {
		t.Fatal(err)
	}
	one := &One{Data: filepath.Join(dir, "data"), Box: box}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = log.Close()
		Complain(t, log.Name())
	})
	options.Log = slog.New(slog.NewJSONHandler(log, nil))
	users = append(users, desk.User{Name: fleet.DemoUser, Roles: desk.Roles})
	if one.Process, err = wiring.New(Context(t), one.config(t, users), options); err != nil {
		t.Fatal(err)
	}
	if one.Process.Resolver, err = dns.NewZone(box.Zone); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- one.Process.Run(ctx) }()
	done := false
	one.end = func() error {
		if done {
			return nil
		}
		done = true
		cancel()
		err := <-ended
		one.Process.Close()
		return err
	}
	t.Cleanup(func() {
		if err := one.end(); err != nil {
			t.Error(err)
		}
	})
	return one
}

func (one *One) config(t *testing.T, users []desk.User) wiring.Config {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := wiring.Default()
	c.DataDir = one.Data
	c.Operations.Listen, c.Desk.Listen = "", listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	c.Desk.BaseURL = "http://" + c.Desk.Listen
	c.Retain.MaxShare = 1
	c.Archive.JournalEvery = config.Duration(time.Second)
	c.Audit.CheckpointEvery = config.Duration(time.Second)
	read, err := one.Box.Mailbox(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c.Ingest.Mailboxes = []ingest.Mailbox{read}
	c.Verify.Boundaries = []verify.Boundary{{Mailbox: "*", TrustMX: []string{one.Box.TrustedMX}}}
	if c, err = c.Complete(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(one.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, user := range users {
		if err := desk.NewDirectory(c.Desk.UsersFile).Save(user); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// Settled waits until all mails are where they stay, and gives their records.
func (one *One) Settled(t *testing.T) map[string]*itemv1.Record {
	t.Helper()
	ctx := Context(t)
	conn, err := one.Process.Connect(ctx, topology.Doctor)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	records, err := fleet.WaitSettled(ctx, conn, len(one.Box.Mails()))
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// Link gives a link that signs a user in at the desk, once.
func (one *One) Link(t *testing.T, user string) string {
	t.Helper()
	ctx := Context(t)
	web, err := one.Process.Desk(ctx)
	link := ""
	if err == nil {
		link, err = web.SignInLink(ctx, user)
	}
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// Stop ends it before the test does.
func (one *One) Stop(t *testing.T) {
	t.Helper()
	if err := one.end(); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// Complain shows the warnings of a log where a test failed.
func Complain(t *testing.T, file string) {
	t.Helper()
	if !t.Failed() {
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Log(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, `"level":"INFO"`) {
			t.Log(filepath.Base(filepath.Dir(file)), line)
		}
	}
}
