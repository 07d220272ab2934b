package story

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/test/program"
)

// oneProcess has everything inside this process.
type oneProcess struct{ *program.One }

func newOneProcess(t *testing.T) oneProcess {
	return oneProcess{program.StartOne(t, wiring.Options{})}
}

func (w oneProcess) mails() []mailbox.Mail { return w.Box.Mails() }

func (w oneProcess) settled(t *testing.T) map[string]*itemv1.Record { return w.Settled(t) }

func (w oneProcess) advance(_ *testing.T, by time.Duration) { w.Process.Clock.Advance(by) }

func (w oneProcess) sweep(t *testing.T) {
	t.Helper()
	if err := w.Process.SweepWhole(program.Context(t)); err != nil {
		t.Fatal(err)
	}
}

func (w oneProcess) link(t *testing.T) string { return w.Link(t, fleet.DemoUser) }

func (w oneProcess) vault(*testing.T) vault.Store { return w.Process.Vault }

func (w oneProcess) stored() string { return filepath.Join(w.Data, "vault") }

func (w oneProcess) keyFile(_, name string) string { return filepath.Join(w.Data, "keys", name) }

func (w oneProcess) rest(t *testing.T) string {
	w.Stop(t)
	file := filepath.Join(t.TempDir(), "postern.yaml")
	if err := os.WriteFile(file, []byte("data_dir: "+w.Data+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
