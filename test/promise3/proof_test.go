package promise3

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/signet"
	"github.com/postern-mail/postern/services/audit"
	"github.com/postern-mail/postern/services/retain"
	"github.com/postern-mail/postern/test/program"
)

// certificates checks every certificate offline, and that no byte of one can be changed.
func certificates(t *testing.T, w world, s story) {
	keyFile := w.keyFile("retain", "certificate.ed25519.pub")
	public, err := signet.LoadPublic(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	speaks := map[string]int{}
	for name, content := range objects(t, w.as(t, "retain").Vault) {
		if !strings.HasPrefix(name, "certificates/") {
			continue
		}
		certificate, err := retain.Verify(content, public)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, line := range certificate.Items {
			for item := range s.before {
				if certificate.Speaks(line, item) {
					speaks[item+" "+line.Layer]++
				}
			}
		}
		file := filepath.Join(t.TempDir(), "certificate.json")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, code := program.Run(t, "certificate", "verify", "--key", keyFile, file); code != 0 {
			t.Errorf("%s: %s", name, out)
		}
		for i := range content {
			content[i] ^= 1
			if _, err := retain.Verify(content, public); err == nil {
				t.Fatalf("%s: byte %d of %d was changed and nothing was noticed", name, i, len(content))
			}
			content[i] ^= 1
		}
	}
	for _, layer := range []string{s.erased + " raw", s.erased + " view", s.erased + " pii", s.released + " raw"} {
		if speaks[layer] != 1 {
			t.Errorf("%d certificates speak of %s", speaks[layer], layer)
		}
	}
}

// log checks the audit log, and that no entry and no checkpoint can be changed.
func log(t *testing.T, w world) {
	conn, keyFile := w.as(t, "audit").Conn, w.keyFile("audit", "audit.ed25519.pub")
	public, err := signet.LoadPublic(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := conn.Kept(t.Context(), "AUDIT")
	if err != nil {
		t.Fatal(err)
	}
	var messages []audit.Message
	until(t, "the log is signed to its end", func(ctx context.Context) (bool, error) {
		checkpoints, err := audit.Checkpoints(ctx, conn)
		if err != nil {
			return false, err
		}
		report, err := audit.Verify(audit.Messages(ctx, conn), checkpoints, public)
		return report.Signed >= kept.Last, err
	})
	checkpoints, err := audit.Checkpoints(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	last := checkpoints[len(checkpoints)-1]
	for message, err := range audit.Messages(t.Context(), conn) {
		if err != nil {
			t.Fatal(err)
		}
		if message.Sequence <= last.GetSequence() {
			messages = append(messages, message)
		}
	}
	verify := func() error {
		_, err := audit.Verify(func(yield func(audit.Message, error) bool) {
			for _, m := range messages {
				if !yield(m, nil) {
					return
				}
			}
		}, checkpoints, public)
		return err
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	for i := range messages {
		at := i % len(messages[i].Payload)
		messages[i].Payload[at] ^= 1
		if err := verify(); !errors.Is(err, audit.ErrAltered) {
			t.Fatalf("byte %d of entry %d was changed: %v", at, i+1, err)
		}
		messages[i].Payload[at] ^= 1
	}
	for _, part := range [][]byte{last.Head, last.Signature} {
		for i := range part {
			part[i] ^= 1
			if verify() == nil {
				t.Fatalf("byte %d of a checkpoint was changed and nothing was noticed", i)
			}
			part[i] ^= 1
		}
	}
	last.Sequence--
	if verify() == nil {
		t.Error("a checkpoint of another entry passes")
	}
}

// commands have the program itself look at the log, with the public key alone.
func commands(t *testing.T, w world) {
	keyFile := w.keyFile("audit", "audit.ed25519.pub")
	if out, code := program.Run(t, "audit", "verify", "--config", w.configuration(t, "audit"), "--key", keyFile); code != 0 || !strings.Contains(out, "the audit log is whole") {
		t.Errorf("postern audit verify: %d %s", code, out)
	}
}
