package vaulttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/postern-mail/postern/pkg/vault"
)

// Bytes gives n bytes that look random, cannot be compressed, and are the same
// for the same n.
func Bytes(n int) []byte {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(n))
	data := make([]byte, n)
	_, _ = rand.NewChaCha8(seed).Read(data) // it never fails
	return data
}

func mustPut(t *testing.T, store vault.Store, name string, data []byte) {
	t.Helper()
	if _, err := store.Put(t.Context(), name, bytes.NewReader(data), vault.PutOptions{}); err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
}

func mustGet(t *testing.T, store vault.Store, name string) []byte {
	t.Helper()
	body, _, err := store.Get(t.Context(), name)
	if err != nil {
		t.Fatalf("get %s: %v", name, err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return data
}

func mustList(t *testing.T, store vault.Store, prefix, after string) []string {
	t.Helper()
	var names []string
	for object, err := range store.List(t.Context(), prefix, after) {
		if err != nil {
			t.Fatalf("list %q after %q: %v", prefix, after, err)
		}
		names = append(names, object.Name)
	}
	return names
}

func mustBeAbsent(t *testing.T, store vault.Store, name string) {
	t.Helper()
	if body, _, err := store.Get(t.Context(), name); !errors.Is(err, vault.ErrNotFound) {
		if err == nil {
			body.Close()
		}
		t.Errorf("get %s: %v, want %v", name, err, vault.ErrNotFound)
	}
	if _, err := store.Stat(t.Context(), name); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("stat %s: %v, want %v", name, err, vault.ErrNotFound)
	}
	for object, err := range store.List(t.Context(), name, "") {
		if err != nil || object.Name == name {
			t.Errorf("list: %s, %v", object.Name, err)
		}
	}
}

// plain hides all but Read, as a stream from a network would.
type plain struct{ r io.Reader }

func (p plain) Read(b []byte) (int, error) { return p.r.Read(b) }

// cancelling ends a context when it is read.
type cancelling struct{ cancel context.CancelFunc }

func (c cancelling) Read([]byte) (int, error) {
	c.cancel()
	return 0, io.EOF
}
