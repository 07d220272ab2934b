package promise3

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/vault/s3"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/services/retain"
	"github.com/postern-mail/postern/services/verify"
)

// oneProcess has everything inside this process, over a data folder.
type oneProcess struct {
	data    string
	box     *mailbox.Server
	offset  time.Duration
	store   *s3.Config     // nil: the vault is in the data folder
	options wiring.Options // what stands in between
	only    []string       // services that run; none: all

	process *wiring.Process // nil while it is stopped
	cancel  context.CancelFunc
	ended   chan error
}

func newOneProcess(t *testing.T, change ...func(*oneProcess)) *oneProcess {
	t.Helper()
	dir := t.TempDir()
	box, err := mailbox.Start(t.Context(), filepath.Join(dir, "mailbox"))
	if err != nil {
		t.Fatal(err)
	}
	w := &oneProcess{data: filepath.Join(dir, "data"), box: box}
	for _, c := range change {
		c(w)
	}
	w.start(t)
	return w
}

func (w *oneProcess) config(t *testing.T) wiring.Config {
	t.Helper()
	read, err := w.box.Mailbox(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c := wiring.Default()
	c.DataDir, c.Clock.Offset = w.data, config.Duration(w.offset)
	c.Operations.Listen, c.Desk.Listen = "127.0.0.1:0", "127.0.0.1:0"
	c.Retain.MaxShare = 1
	c.Archive.JournalEvery = config.Duration(100 * time.Millisecond)
	c.Audit.CheckpointEvery = config.Duration(100 * time.Millisecond)
	c.Ingest.Mailboxes = []ingest.Mailbox{read}
	c.Verify.Boundaries = []verify.Boundary{{Mailbox: "*", TrustMX: []string{w.box.TrustedMX}}}
	if w.store != nil {
		w.useS3(t, &c)
	}
	if c, err = c.Complete(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *oneProcess) useS3(t *testing.T, c *wiring.Config) {
	t.Helper()
	secret := func(name, value string) config.Secret {
		path := filepath.Join(filepath.Dir(w.data), name)
		if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.Secret(path)
	}
	c.Vault.Kind = "s3"
	c.Vault.S3 = wiring.S3Config{
		Endpoint: w.store.Endpoint, Insecure: w.store.Plaintext, Region: w.store.Region, Bucket: w.store.Bucket, PathStyle: w.store.PathStyle,
		AccessKeyFile: secret("s3-access", w.store.AccessKey), SecretKeyFile: secret("s3-secret", w.store.SecretKey),
		Lock: string(w.store.Lock),
	}
}

func (w *oneProcess) start(t *testing.T) {
	t.Helper()
	if w.options.Log == nil {
		w.options.Log = slog.New(slog.DiscardHandler)
		if testing.Verbose() {
			w.options.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
		}
	}
	p, err := wiring.New(t.Context(), w.config(t), w.options)
	if err != nil {
		t.Fatal(err)
	}
	if p.Resolver, err = dns.NewZone(w.box.Zone); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.process, w.cancel, w.ended = p, cancel, make(chan error, 1)
	go func(ended chan error) { ended <- p.Run(ctx, w.only...) }(w.ended)
	t.Cleanup(func() { w.stop(t) })
}

func (w *oneProcess) stop(t *testing.T) {
	if w.process == nil {
		return
	}
	w.cancel()
	if err := <-w.ended; err != nil {
		t.Errorf("the process ended with %v", err)
	}
	w.process.Close()
	w.process = nil
}

func (w *oneProcess) mails() int     { return len(w.box.Mails()) }
func (w *oneProcess) now() time.Time { return w.process.Clock.Now() }

func (w *oneProcess) advance(_ *testing.T, by time.Duration) {
	w.offset += by // for the next start
	w.process.Clock.Advance(by)
}

func (w *oneProcess) as(t *testing.T, credential string) *wiring.Tool {
	t.Helper()
	tool, err := w.process.Tool(t.Context(), credential)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tool.Conn.Close)
	return tool
}

func (w *oneProcess) hold(t *testing.T, item string) string {
	t.Helper()
	if _, err := w.as(t, "desk").Client.Hold(t.Context(), &keyringv1.Hold{Hold: "Hcourt", Items: []string{item}, Actor: "test", Reason: []byte("sealed")}); err != nil {
		t.Fatal(err)
	}
	return "Hcourt"
}

func (w *oneProcess) release(t *testing.T, id, item string) {
	t.Helper()
	if _, err := w.as(t, "retain").Client.Release(t.Context(), &keyringv1.Release{Hold: id, Items: []string{item}, Actor: "test"}); err != nil {
		t.Fatal(err)
	}
}

func (w *oneProcess) erase(t *testing.T, item string) {
	t.Helper()
	service, err := w.as(t, "retain").Retain()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.EraseItems(t.Context(), retain.Wish{Items: []string{item}, Actor: "test", Reason: "case-7"}); err != nil && !errors.Is(err, retain.ErrPending) {
		t.Fatal(err)
	}
}

func (w *oneProcess) sweep(t *testing.T) {
	t.Helper()
	if err := w.process.SweepWhole(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *oneProcess) folder() string                { return w.data }
func (*oneProcess) keyring(folder string) string    { return filepath.Join(folder, "keyring") }
func (w *oneProcess) bucket(*testing.T) *s3.Config  { return w.store }
func (w *oneProcess) keyFile(_, name string) string { return filepath.Join(w.data, "keys", name) }
func (w *oneProcess) configuration(t *testing.T, _ string) string {
	t.Helper()
	w.stop(t)
	file := filepath.Join(t.TempDir(), "postern.yaml")
	if err := os.WriteFile(file, []byte("data_dir: "+w.data+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (w *oneProcess) beside(t *testing.T, copied string) world {
	t.Helper()
	w.stop(t)
	again := &oneProcess{data: filepath.Join(t.TempDir(), "restored"), box: w.box, offset: w.offset}
	copyTree(t, again.data, copied)
	if err := os.RemoveAll(again.keyring(again.data)); err != nil {
		t.Fatal(err)
	}
	copyTree(t, again.keyring(again.data), w.keyring(w.data))
	again.start(t)
	until(t, "the keyring answers", func(ctx context.Context) (bool, error) {
		_, err := again.as(t, "desk").Client.Status(ctx)
		return err == nil, err
	})
	return again
}
