package vaulttest_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/memory"
	"github.com/postern-mail/postern/pkg/vault/vaulttest"
)

func TestAFaultyStoreThatIsNotToldToFailKeepsThePromises(t *testing.T) {
	vaulttest.Suite(t, func(*testing.T) vault.Store { return vaulttest.NewFaulty(memory.New()) })
}

func TestTheCallThatIsToldToFailDoesAndNoOther(t *testing.T) {
	store := vaulttest.NewFaulty(memory.New())
	put := func(name string) error {
		_, err := store.Put(t.Context(), name, bytes.NewReader(vaulttest.Bytes(100)), vault.PutOptions{})
		return err
	}
	there := func(name string) bool {
		_, err := store.Stat(t.Context(), name)
		return err == nil
	}

	store.Fail(2, vaulttest.Before)
	if err := errors.Join(put("a"), put("c")); !errors.Is(err, vaulttest.ErrInjected) {
		t.Errorf("second put: %v", err)
	}
	if !there("a") || there("c") {
		t.Error("failing before the call had an effect")
	}
	if got := store.Calls(); !slices.Equal(got, []string{"Put", "Put", "Stat", "Stat"}) || !store.Fired() {
		t.Errorf("calls %q, fired %v", got, store.Fired())
	}

	store.Fail(1, vaulttest.After)
	if err := put("d"); !errors.Is(err, vaulttest.ErrInjected) || !there("d") {
		t.Errorf("failing after the call: %v, there: %v", err, there("d"))
	}

	store.Cut(1, 40)
	if err := put("e"); !errors.Is(err, vaulttest.ErrInjected) || there("e") {
		t.Errorf("a body cut short: %v, there: %v", err, there("e"))
	}

	store.Cut(1, 40)
	body, _, err := store.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(body); len(data) != 40 || !errors.Is(err, vaulttest.ErrInjected) {
		t.Errorf("%d bytes, %v", len(data), err)
	}

	store.Fail(1, vaulttest.After)
	objects, failed := 0, false
	for _, err := range store.List(t.Context(), "", "") {
		if err != nil {
			failed = true
			continue
		}
		objects++
	}
	if objects != 2 || !failed {
		t.Errorf("%d objects, failed: %v", objects, failed)
	}

	store.Fail(9, vaulttest.Before)
	if there("a"); store.Fired() {
		t.Error("a call that was not made has fired")
	}
}
