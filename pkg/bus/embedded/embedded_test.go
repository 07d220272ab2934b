package embedded_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/bus/embedded"
)

func TestWhatWasAcknowledgedIsThereAfterARestart(t *testing.T) {
	b := bustest.Start(t)
	if _, err := b.Connect(t, "keyring").Publish(bustest.Context(t), "items.1", []byte("record")); err != nil {
		t.Fatal(err)
	}
	b.Restart(t)
	msg, err := b.Connect(t, "keyring").Last(bustest.Context(t), "ITEMS", "items.1")
	if err != nil || string(msg.Data) != "record" {
		t.Errorf("got %v, %v", msg, err)
	}
}

func TestAServerThatWasNotStoppedIsNoticed(t *testing.T) {
	_, keys := bustest.Credentials(t)
	dir := filepath.Join(t.TempDir(), "nats")
	for i, c := range []struct{ leftBehind, unclean bool }{{false, false}, {false, false}, {true, true}, {false, false}} {
		if c.leftBehind {
			if err := os.WriteFile(filepath.Join(dir, "running"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := embedded.Start(embedded.Options{Dir: dir, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		if s.Unclean() != c.unclean {
			t.Errorf("start %d: unclean is %v", i, s.Unclean())
		}
		s.Stop()
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestAMissingKeyIsAClearError(t *testing.T) {
	_, keys := bustest.Credentials(t)
	delete(keys, "scan")
	if _, err := embedded.Start(embedded.Options{Dir: t.TempDir(), Keys: keys}); err == nil || !strings.Contains(err.Error(), "nkey of scan is missing") {
		t.Errorf("got %v", err)
	}
}

func TestAKeyForJetStreamIsWarnedOf(t *testing.T) {
	for config, want := range map[string]bool{
		"jetstream { store_dir: x }":                                   false,
		"jetstream { store_dir: x, key: \"secret\", cipher: \"aes\" }": true,
	} {
		file := filepath.Join(t.TempDir(), "server.conf")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		warned, err := embedded.CheckConfig(file, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil || warned != want || strings.Contains(log.String(), "jetstream.key") != want {
			t.Errorf("%s: warned %v, %v: %s", config, warned, err, log.String())
		}
		if strings.Contains(log.String(), "secret") {
			t.Errorf("the key was logged: %s", log.String())
		}
	}
	if !embedded.Warn(&server.Options{JetStreamOldKey: "x"}, slog.New(slog.DiscardHandler)) {
		t.Error("an old key was not warned of")
	}
}
