package promise3

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/vault/s3"
	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/test/program"
)

// many is a fleet: each service a process, on a real bus, S3 gateway and Redis. People
// ask by commands of the program.
type many struct {
	dir    string
	offset time.Duration
	set    mailbox.Set
	fleet  *fleet.Fleet // nil while it is stopped
}

func newFleet(t *testing.T) *many {
	t.Helper()
	set, err := mailbox.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w := &many{dir: filepath.Join(t.TempDir(), "fleet"), set: set}
	w.start(t)
	var mails []fleet.Mail
	for _, mail := range set.Mails {
		mails = append(mails, fleet.Mail{Raw: mail.Raw, Came: mail.Came})
	}
	if err := w.fleet.Append(program.Context(t), mails...); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *many) start(t *testing.T) {
	t.Helper()
	w.fleet = program.Fleet(t, fleet.Options{
		Dir: w.dir, Zone: w.set.Zone, TrustMX: []string{mailbox.TrustedMX}, ClockOffset: w.offset, Log: t.Output(),
	})
}

func (w *many) stop(*testing.T) { w.fleet.Stop() }

func (w *many) mails() int     { return len(w.set.Mails) }
func (w *many) now() time.Time { return time.Now().Add(w.offset) }

func (w *many) advance(t *testing.T, by time.Duration) {
	t.Helper()
	w.offset += by
	if err := w.fleet.Advance(program.Context(t), by); err != nil {
		t.Fatal(err)
	}
}

func (w *many) as(t *testing.T, credential string) *wiring.Tool {
	t.Helper()
	return program.As(t, w.fleet, credential)
}

func (w *many) command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := w.fleet.Command(program.Context(t), "retain", append([]string{"retention"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *many) hold(t *testing.T, item string) string {
	t.Helper()
	// "hold <id> counts for 1 items"
	words := strings.Fields(w.command(t, "hold", item, "--reason", "court-2026/114"))
	if len(words) < 2 || words[0] != "hold" {
		t.Fatalf("the hold's name is not told: %q", words)
	}
	return words[1]
}

func (w *many) release(t *testing.T, id, item string) {
	t.Helper()
	w.command(t, "release", id, item, "--reason", "court-2026/114-closed")
}

func (w *many) erase(t *testing.T, item string) {
	t.Helper()
	w.command(t, "erase", item, "--reason", "request-7", "--wait", "0s") // its day's intake keys live on until tomorrow
}

func (w *many) sweep(t *testing.T) {
	t.Helper()
	if out := w.command(t, "run", "--wait", "2m"); !strings.Contains(out, "done: what was due is destroyed and certified") {
		t.Fatal(out)
	}
}

func (w *many) folder() string             { return w.dir }
func (*many) keyring(folder string) string { return filepath.Join(folder, "keyring", "keyring") }

func (w *many) bucket(t *testing.T) *s3.Config {
	t.Helper()
	c, err := wiring.Load(w.fleet.ConfigFile("retain"))
	if err != nil {
		t.Fatal(err)
	}
	read := func(secret config.Secret) string {
		text, err := os.ReadFile(string(secret))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	store := c.Vault.S3
	return &s3.Config{
		Endpoint: store.Endpoint, Bucket: store.Bucket, AccessKey: read(store.AccessKeyFile), SecretKey: read(store.SecretKeyFile),
		PathStyle: store.PathStyle, Plaintext: store.Insecure,
	}
}

func (w *many) keyFile(service, name string) string {
	return filepath.Join(w.dir, service, "keys", name)
}

func (w *many) configuration(_ *testing.T, credential string) string {
	return w.fleet.ConfigFile(credential)
}

func (w *many) beside(t *testing.T, copied string) world {
	t.Helper()
	w.stop(t)
	again := &many{dir: filepath.Join(t.TempDir(), "restored"), set: w.set, offset: w.offset}
	copyTree(t, again.dir, copied)
	if err := os.RemoveAll(again.keyring(again.dir)); err != nil {
		t.Fatal(err)
	}
	copyTree(t, again.keyring(again.dir), w.keyring(w.dir))
	again.start(t)
	return again
}
