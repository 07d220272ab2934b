package story

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/test/program"
)

// month is beyond the 30 days that the standard policy keeps a customer's original, and
// well within the 730 days of its clean view.
const month = 32 * 24 * time.Hour

func originalsAreDestroyed(t *testing.T, w world, agent *program.Browser) {
	before := byName(t, w, w.settled(t))
	if kept := files(t, w.stored(), "raw/"); len(kept) < len(before) {
		t.Fatalf("%d files of %d originals: the search cannot see them", len(kept), len(before))
	}
	w.advance(t, month)
	w.sweep(t)
	after := byName(t, w, w.settled(t))
	for name, record := range after {
		for _, layer := range record.GetLayers() {
			switch layer.GetKind() {
			case itemv1.LayerKind_LAYER_KIND_RAW:
				if layer.GetState() != itemv1.LayerState_LAYER_STATE_DESTROYED || len(layer.GetKeyPacket()) > 0 {
					t.Errorf("%s: its original is %s, with a key packet of %d bytes", name, layer.GetState(), len(layer.GetKeyPacket()))
				}
			case itemv1.LayerKind_LAYER_KIND_VIEW:
				if layer.GetState() != itemv1.LayerState_LAYER_STATE_PRESENT {
					t.Errorf("%s: its view is %s", name, layer.GetState())
				}
			}
		}
	}
	if left := files(t, w.stored(), "raw/"); len(left) > 0 {
		t.Errorf("files of originals are left, of all versions: %q", left)
	}
	for name, record := range before {
		object := record.GetLayers()[0].GetObject()
		if body, _, err := w.vault(t).Get(program.Context(t), object); err == nil {
			_ = body.Close()
			t.Errorf("%s: its object is still there", name)
		}
	}
	if shown := agent.Opened(t, "/tickets/"+after["where-is-my-order"].GetTicket()+"/message?as=text"); !strings.Contains(shown, "whether I may fetch it myself?") {
		t.Error("the ticket cannot be read any more")
	}
	t.Run("the certificate holds", func(t *testing.T) { certificateHolds(t, w, before["where-is-my-order"]) })
}

func certificateHolds(t *testing.T, w world, record *itemv1.Record) {
	store, names := w.vault(t), []string(nil)
	for object, err := range store.List(program.Context(t), "certificates/", "") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, object.Name)
	}
	if len(names) == 0 {
		t.Fatal("there is no certificate")
	}
	speaks := false
	for _, name := range names {
		content := read(t, store, name)
		if bytes.Contains(content, []byte(record.GetItem())) {
			t.Error("the certificate names an item in the clear")
		}
		verify := func(text []byte) (string, int) {
			file := filepath.Join(t.TempDir(), "certificate.json")
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			return program.Run(t, "certificate", "verify", "--key", w.keyFile("retain", "certificate.ed25519.pub"), "--item", record.GetItem(), file)
		}
		out, code := verify(content)
		if code != 0 {
			t.Errorf("the certificate is refused: %s", out)
		}
		speaks = speaks || strings.Contains(out, "it speaks of the item: layer raw")
		for _, at := range letters(t, content) {
			changed := bytes.Clone(content)
			changed[at] ^= 1 // another letter or digit
			if out, code := verify(changed); code == 0 {
				t.Errorf("a certificate with another byte at %d is good: %s", at, out)
			}
		}
	}
	if !speaks {
		t.Error("no certificate speaks of the mail")
	}
}

// letters gives places of a JSON text, spread over it, that hold a letter or a digit.
func letters(t *testing.T, text []byte) []int {
	t.Helper()
	if !json.Valid(text) {
		t.Fatal("the certificate is no JSON")
	}
	var places []int
	for at := len(text) / 11; at < len(text) && len(places) < 8; at += len(text)/9 + 1 {
		for ; at < len(text); at++ {
			if c := text[at] | 0x20; c >= 'b' && c <= 'y' || text[at] >= '2' && text[at] <= '7' {
				places = append(places, at)
				break
			}
		}
	}
	return places
}

func logIsWhole(t *testing.T, w world) {
	config, key := w.rest(t), w.keyFile("audit", "audit.ed25519.pub")
	out, code := program.Run(t, "audit", "verify", "--config", config, "--key", key)
	if code != 0 || !strings.Contains(out, "the audit log is whole") {
		t.Fatalf("the audit log is not whole: %d %s", code, out)
	}
	var entries, checkpoints, signed int
	if _, err := scan(out, &entries, &checkpoints, &signed); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	// Every mail was opened by three workers at least in batches of 64, and pages of it by an agent.
	if entries < 10 || checkpoints < 1 || signed < 1 {
		t.Errorf("%d entries, %d checkpoints, signed up to %d", entries, checkpoints, signed)
	}
	other := w.keyFile("retain", "certificate.ed25519.pub")
	if out, code := program.Run(t, "audit", "verify", "--config", config, "--key", other); code == 0 {
		t.Errorf("the log is whole under another key: %s", out)
	}
}

func scan(out string, entries, checkpoints, signed *int) (int, error) {
	return fmt.Sscanf(out[strings.Index(out, "whole: "):], "whole: %d entries linked, %d checkpoints good, signed up to entry %d", entries, checkpoints, signed)
}
