package keyring

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"testing"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/vault/memory"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// Both stores keep the same promises.
func TestAStoreGivesBackWhatWasPut(t *testing.T) {
	disk, err := NewDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Store{"disk": DiskStore(disk), "vault": VaultStore(memory.New())} {
		if _, err := s.Get(t.Context(), 1, sha256.Sum256(nil)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: nothing there: %v", name, err)
		}
		for _, g := range []uint64{1, 2, 2, 10} { // a repeat is no error
			if err := s.Put(t.Context(), g, []byte{byte(g)}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, g := range []uint64{1, 2, 10} {
			if got, err := s.Get(t.Context(), g, sha256.Sum256([]byte{byte(g)})); err != nil || len(got) != 1 || got[0] != byte(g) {
				t.Errorf("%s: generation %d: %v, %v", name, g, got, err)
			}
		}
		generations, err := s.Generations(t.Context())
		if err != nil || len(generations) != 3 {
			t.Errorf("%s: %v, %v", name, generations, err)
		}
	}
}

func TestTheVaultKeepsASecondCopyThatIsEnough(t *testing.T) {
	vault := memory.New()
	first, err := NewDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{cell: rootCell(first), stores: [2]Store{DiskStore(first), VaultStore(vault)}}
	g, err := k.begin()
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"one", "two", "three"} {
		if err := k.save(t.Context(), g, []byte(state)); err != nil {
			t.Fatal(err)
		}
		g++
	}
	generations, err := DiskStore(first).Generations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range generations {
		if err := first.Remove(stateName(g)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := k.load(t.Context()); err != nil || string(got.plaintext) != "three" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestAnOpenTakesSoManyItemsAndNotOneMore(t *testing.T) {
	w := newWorld(t)
	w.start()
	items := make([]string, maxOpen)
	for i := range items {
		items[i] = w.mail("hello")
	}
	o := w.opener("verify")
	got, err := o.Many(t.Context(), open.Ask{Purpose: keys.ForVerify, Layer: raw}, items)
	if err != nil || len(got) != maxOpen {
		t.Fatalf("at the limit: %d, %v", len(got), err)
	}
	for i, g := range got {
		if g.Err != nil || g.Key.Item != items[i] {
			t.Errorf("outcome %d: %v", i, g.Err)
		}
	}
	items = append(items, items[0])
	if _, err := o.Many(t.Context(), open.Ask{Purpose: keys.ForVerify, Layer: raw}, items); err == nil {
		t.Error("the client asks for one more")
	}
	ask := &keyringv1.Open{Purpose: keys.ForVerify, Layer: raw, Items: items, ReplyKey: make([]byte, 32)}
	_, err = w.client("verify").Ask(t.Context(), keys.OpOpen+keys.ForVerify, ask, &keyringv1.Opened{})
	w.mustRefuse(err, keys.Malformed)
}
