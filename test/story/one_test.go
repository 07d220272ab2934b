package story

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/services/verify"
	"github.com/postern-mail/postern/test/program"
)

// oneProcess has everything inside this process.
type oneProcess struct {
	dir     string
	box     *mailbox.Server
	process *wiring.Process
	end     func() error
}

func newOneProcess(t *testing.T) *oneProcess {
	dir := t.TempDir()
	box, err := mailbox.Start(t.Context(), filepath.Join(dir, "mailbox"))
	if err != nil {
		t.Fatal(err)
	}
	w := &oneProcess{dir: filepath.Join(dir, "data"), box: box}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = log.Close()
		complain(t, log.Name())
	})
	c := w.config(t)
	if w.process, err = wiring.New(program.Context(t), c, wiring.Options{Log: slog.New(slog.NewJSONHandler(log, nil))}); err != nil {
		t.Fatal(err)
	}
	if w.process.Resolver, err = dns.NewZone(box.Zone); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- w.process.Run(ctx) }()
	done := false
	w.end = func() error {
		if done {
			return nil
		}
		done = true
		cancel()
		err := <-ended
		w.process.Close()
		return err
	}
	t.Cleanup(func() {
		if err := w.end(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *oneProcess) config(t *testing.T) wiring.Config {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := wiring.Default()
	c.DataDir = w.dir
	c.Operations.Listen, c.Desk.Listen = "", listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	c.Desk.BaseURL = "http://" + c.Desk.Listen
	c.Retain.MaxShare = 1
	c.Archive.JournalEvery = config.Duration(time.Second)
	c.Audit.CheckpointEvery = config.Duration(time.Second)
	host, portText, err := net.SplitHostPort(w.box.Addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		t.Fatal(err)
	}
	c.Ingest.Mailboxes = []ingest.Mailbox{{
		ID: "support", Host: host, Port: port, CAFile: w.box.CAFile, Username: w.box.User,
		PasswordFile: config.Secret(w.box.PasswordFile), Folders: []string{mailbox.Folder},
		Poll: config.Duration(time.Second), After: ingest.Keep,
	}}
	c.Verify.Boundaries = []verify.Boundary{{Mailbox: "*", TrustMX: []string{w.box.TrustedMX}}}
	if c, err = c.Complete(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := desk.NewDirectory(c.Desk.UsersFile).Save(desk.User{Name: fleet.DemoUser, Roles: desk.Roles}); err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *oneProcess) mails() []mailbox.Mail { return w.box.Mails() }

func (w *oneProcess) settled(t *testing.T) map[string]*itemv1.Record {
	t.Helper()
	ctx := program.Context(t)
	conn, err := w.process.Connect(ctx, topology.Doctor)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	records, err := fleet.WaitSettled(ctx, conn, len(w.mails()))
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func (w *oneProcess) advance(_ *testing.T, by time.Duration) { w.process.Clock.Advance(by) }

func (w *oneProcess) sweep(t *testing.T) {
	t.Helper()
	if err := w.process.SweepWhole(program.Context(t)); err != nil {
		t.Fatal(err)
	}
}

func (w *oneProcess) link(t *testing.T) string {
	t.Helper()
	ctx := program.Context(t)
	web, err := w.process.Desk(ctx)
	link := ""
	if err == nil {
		link, err = web.SignInLink(ctx, fleet.DemoUser)
	}
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func (w *oneProcess) vault(*testing.T) vault.Store { return w.process.Vault }

func (w *oneProcess) stored() string { return filepath.Join(w.dir, "vault") }

func (w *oneProcess) keyFile(_, name string) string { return filepath.Join(w.dir, "keys", name) }

func (w *oneProcess) rest(t *testing.T) string {
	t.Helper()
	if err := w.end(); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "postern.yaml")
	if err := os.WriteFile(file, []byte("data_dir: "+w.dir+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
