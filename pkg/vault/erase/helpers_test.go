package erase_test

import (
	"context"
	"testing"

	"github.com/postern-mail/postern/pkg/vault/erase"
)

// expect calls Erase or Remains and compares its report.
func expect(t *testing.T, name string, call func(context.Context, string) (erase.Report, error), want erase.Report) {
	t.Helper()
	got, err := call(t.Context(), name)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if got != want {
		t.Errorf("%s: %+v, want %+v", name, got, want)
	}
}

func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
