package wiring_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/postern/wiring"
)

func TestAValueWithWhichNothingWouldRunIsRefusedWhenTheFileIsRead(t *testing.T) {
	load := func(text string) error {
		path := filepath.Join(t.TempDir(), "postern.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := wiring.Load(path)
		return err
	}
	for text, named := range map[string]string{
		"archive: {journal_every: 0s}":  "archive.journal_every",
		"audit: {checkpoint_every: 0s}": "audit.checkpoint_every",
		"log: {level: loud}":            "log level",
		"log: {format: xml}":            "log format",
		"trace: {ratio: 5}":             "trace.ratio",
		"trace: {ratio: -0.1}":          "trace.ratio",
		"trace: {ratio: .nan}":          "trace.ratio",
		"keyring: {late_after: 3h}":     "late_after",
		"keyring: {lease_refresh: 20s}": "lease_refresh",
		"ingest: {max_size: 67108865}":  "ingest.max_size is over 64MiB",
		"ingest: {max_size: 100MiB}":    "ingest.max_size is over 64MiB",
	} {
		if err := load(text); err == nil || !strings.Contains(err.Error(), named) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"ingest: {max_size: 64MiB}", "trace: {ratio: 0}", "trace: {ratio: 1}", "archive: {journal_every: 1s}", "keyring: {late_after: 2h}",
	} {
		if err := load(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
