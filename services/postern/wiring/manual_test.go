package wiring_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/config/manual"
	"github.com/postern-mail/postern/services/postern/wiring"
)

var update = flag.Bool("update", false, "write the files that are made from the configuration's structs")

const (
	module = "github.com/postern-mail/postern"
	root   = "../../.."
)

func TestTheManualAndTheExampleAreMadeFromTheStructs(t *testing.T) {
	keys, err := manual.Keys(root, module, wiring.Default())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"docs/config.md":             manual.Markdown(keys),
		"deploy/config/postern.yaml": manual.Example(keys),
	} {
		path := filepath.Join(root, name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s is not current (%v): run make generate", name, err)
		}
	}
}

// TestWhatTheReadmeOffersToPasteIsRead: its configuration names one mailbox and one boundary.
func TestWhatTheReadmeOffersToPasteIsRead(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)   ```yaml\n(.*?)   ```\n").FindSubmatch(text)
	if block == nil {
		t.Fatal("the README has no configuration")
	}
	path := filepath.Join(t.TempDir(), "postern.yaml")
	if err := os.WriteFile(path, block[1], 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := wiring.Load(path)
	if err != nil || len(c.Ingest.Mailboxes) != 1 || len(c.Verify.Boundaries) != 1 || c.Verify.Boundaries[0].Mailbox != c.Ingest.Mailboxes[0].ID {
		t.Errorf("%v: mailboxes %v, boundaries %v", err, c.Ingest.Mailboxes, c.Verify.Boundaries)
	}
}

func TestTheExampleIsTheDefaults(t *testing.T) {
	read := wiring.Config{}
	if err := config.Load(filepath.Join(root, "deploy/config/postern.yaml"), &read); err != nil {
		t.Fatal(err)
	}
	if _, err := read.Complete(); err != nil {
		t.Errorf("the example as it stands: %v", err)
	}
}
