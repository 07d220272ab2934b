package wiring_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// auditBegun looks at a data folder as the verification of the audit log does.
func auditBegun(t *testing.T, dir string, change ...func(*wiring.Config)) (bool, error) {
	t.Helper()
	c := wiring.Default()
	c.DataDir = dir
	for _, each := range change {
		each(&c)
	}
	c, err := c.Complete()
	if err != nil {
		t.Fatal(err)
	}
	p, err := wiring.Look(t.Context(), c, wiring.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	conn, err := p.Connect(t.Context(), "audit")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return p.AuditBegun(t.Context(), conn)
}

func there(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestALookAtTheAuditLogFindsThatItWasRemovedAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	r := w.start(t)
	until(t, "the log is signed and in the journal", func(ctx context.Context) (bool, error) {
		for _, stream := range []string{topology.Audit, topology.Checkpoints} {
			if some, err := archive.HasJournal(ctx, r.Vault, stream); err != nil || !some {
				return false, err
			}
		}
		return true, nil
	})
	r.stop()

	const (
		streams     = "nats/jetstream/POSTERN/streams/"
		audit       = streams + topology.Audit
		checkpoints = streams + topology.Checkpoints
		mark        = "keys/audit.ed25519.last"
		journal     = "vault"
	)
	for name, c := range map[string]struct {
		remove []string
		begun  bool
		says   string // of the error
	}{
		"whole":                        {nil, true, ""},
		"no log":                       {[]string{audit}, false, "AUDIT is missing, and the vault has its journal"},
		"no checkpoints":               {[]string{checkpoints}, false, "CHECKPOINTS is missing, and the vault has its journal"},
		"neither, and no mark":         {[]string{audit, checkpoints, mark}, false, "AUDIT is missing, and the vault has its journal"},
		"no journal either":            {[]string{audit, checkpoints, mark, journal}, false, "AUDIT is missing, and stream LEASES is there"},
		"no stream at all, no journal": {[]string{"nats", journal}, false, "AUDIT is missing, and its last checkpoint lies beside the signer's key"},
		"only the keyring":             {[]string{"nats", journal, mark}, false, "AUDIT is missing, and a keyring has worked here"},
		"nothing":                      {[]string{"nats", journal, mark, "keyring"}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(dir, os.DirFS(w.dir)); err != nil {
				t.Fatal(err)
			}
			for _, path := range c.remove {
				if !there(t, filepath.Join(dir, path)) {
					t.Fatalf("%s is not there to be removed", path)
				}
				if err := os.RemoveAll(filepath.Join(dir, path)); err != nil {
					t.Fatal(err)
				}
			}
			begun, err := auditBegun(t, dir)
			switch {
			case begun != c.begun:
				t.Errorf("begun is %v", begun)
			case c.says == "" && err != nil:
				t.Errorf("error %v", err)
			case c.says != "" && (!errors.Is(err, wiring.ErrAuditLost) || !strings.Contains(err.Error(), c.says)):
				t.Errorf("error %v, want %q", err, c.says)
			}
			for _, path := range c.remove {
				if path != "nats" && path != "keyring" && path != journal && there(t, filepath.Join(dir, path)) {
					t.Errorf("%s was made again", path)
				}
			}
			if len(c.remove) != 0 && c.remove[0] == "nats" && there(t, filepath.Join(dir, audit)) {
				t.Error("looking made a stream")
			}
		})
	}
}

// TestALogThatIsThereIsLookedAtWithoutTheVault: the signer has no credential for it.
func TestALogThatIsThereIsLookedAtWithoutTheVault(t *testing.T) {
	w := newWorld(t)
	r := w.start(t)
	until(t, "the log is signed", func(ctx context.Context) (bool, error) {
		conn, err := r.Connect(ctx, "audit")
		if err != nil {
			return false, err
		}
		defer conn.Close()
		kept, err := conn.Kept(ctx, topology.Checkpoints)
		return kept.Last > 0, err
	})
	r.stop()
	unreadable := func(c *wiring.Config) {
		c.Vault.Kind, c.Vault.S3 = "s3", wiring.S3Config{Endpoint: "127.0.0.1:1", Bucket: "mail", AccessKeyFile: "nowhere", SecretKeyFile: "nowhere"}
	}
	if begun, err := auditBegun(t, w.dir, unreadable); !begun || err != nil {
		t.Errorf("begun is %v, error %v", begun, err)
	}
	if err := os.RemoveAll(filepath.Join(w.dir, "nats")); err != nil {
		t.Fatal(err)
	}
	if _, err := auditBegun(t, w.dir, unreadable); err == nil || !strings.Contains(err.Error(), "stream AUDIT is missing") || !strings.Contains(err.Error(), "vault.s3.access_key_file") {
		t.Errorf("without a log: %v", err)
	}
}

func TestALookLeavesTheMarkOfAProcessThatWasKilled(t *testing.T) {
	dir := t.TempDir()
	if err := wiring.MakeNkeys(filepath.Join(dir, "nkeys")); err != nil {
		t.Fatal(err)
	}
	running := filepath.Join(dir, "nats", "running")
	for range 2 {
		if begun, err := auditBegun(t, dir); begun || err != nil {
			t.Errorf("of nothing: %v, %v", begun, err)
		}
		if there(t, running) {
			t.Error("a look left a mark of its own")
		}
	}
	if err := os.WriteFile(running, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := auditBegun(t, dir); err != nil {
			t.Error(err)
		}
		if !there(t, running) {
			t.Error("the mark is gone: the next start would not know that the process was killed")
		}
	}
}
