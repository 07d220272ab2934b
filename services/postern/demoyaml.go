package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/run"
	"github.com/postern-mail/postern/pkg/wholefile"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// A besideFile is the configuration of the demonstration, for commands that somebody types
// beside it. It names files and holds no secret.
type besideFile struct {
	mu   sync.Mutex
	path string
	of   wiring.Config
}

func newBesideFile(c wiring.Config) *besideFile {
	return &besideFile{path: filepath.Join(c.DataDir, "postern.yaml"), of: c}
}

const besideHead = "# The demonstration's configuration, for commands beside it, such as postern doctor --config FILE.\n" +
	"# It is written anew at every start, and whenever the desk moves the clock on.\n"

// write writes the file with the clock as it is now: the keyring refuses commands whose
// clock is not its own.
func (b *besideFile) write(clock *run.Clock) error {
	b.mu.Lock() // of two that move the clock, who writes last has both moves
	defer b.mu.Unlock()
	type section = map[string]any
	var boxes []section
	for _, box := range b.of.Ingest.Mailboxes {
		boxes = append(boxes, section{
			"id": box.ID, "host": box.Host, "port": box.Port, "username": box.Username, "folders": box.Folders,
			"ca_file": b.below(box.CAFile), "password_file": b.below(string(box.PasswordFile)),
		})
	}
	text := bytes.NewBufferString(besideHead)
	encoder := yaml.NewEncoder(text)
	encoder.SetIndent(2)
	err := encoder.Encode(section{
		"data_dir":   ".",
		"clock":      section{"offset": config.Duration(clock.Offset()).String()},
		"log":        section{"level": "warn", "format": "text"},
		"operations": section{"listen": b.of.Operations.Listen},
		"ingest":     section{"mailboxes": boxes},
		"verify":     section{"boundaries": b.of.Verify.Boundaries, "ours": b.of.Verify.Ours, "dns": section{"server": "none"}},
		"archive":    section{"journal_every": b.of.Archive.JournalEvery.String()},
		"audit":      section{"checkpoint_every": b.of.Audit.CheckpointEvery.String()},
		"retain":     section{"max_share": b.of.Retain.MaxShare},
		"desk":       section{"listen": b.of.Desk.Listen, "base_url": b.of.Desk.BaseURL, "demo": true},
	})
	if err = errors.Join(err, encoder.Close()); err != nil {
		return fmt.Errorf("configuration for commands: %w", err)
	}
	if err := wholefile.Put(b.path, text.Bytes(), 0o600); err != nil {
		return fmt.Errorf("configuration for commands: %w", err)
	}
	return nil
}

// below names a file of the data folder by where it lies there.
func (b *besideFile) below(path string) string {
	if short, err := filepath.Rel(b.of.DataDir, path); err == nil {
		return short
	}
	return path
}
