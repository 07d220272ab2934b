package wiring

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/keys"
)

// rising answers nobody's requests until it was asked often enough.
type rising struct{ asked, from int }

func (r *rising) Request(context.Context, string, []byte, ...bus.PublishOption) ([]byte, error) {
	if r.asked++; r.asked < r.from {
		return nil, fmt.Errorf("request: %w", bus.ErrNobody)
	}
	return []byte("here"), nil
}

func TestAKeyringThatComesUpIsWaitedFor(t *testing.T) {
	keyring := &rising{from: 3}
	answer, err := requester{keyring, time.Hour}.Request(t.Context(), keys.Subject+keys.OpHold, nil)
	if err != nil || string(answer) != "here" || keyring.asked != 3 {
		t.Errorf("%q, %v, asked %d times", answer, err, keyring.asked)
	}
}

func TestNobodyIsWaitedForWithoutEnd(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx       context.Context
		operation string
		patience  time.Duration
	}{
		"past its patience":       {t.Context(), keys.OpHold, 0},
		"past the caller's":       {ended, keys.OpHold, time.Hour},
		"the keyring's own state": {t.Context(), keys.OpStatus, time.Hour},
	} {
		keyring := &rising{from: 2}
		_, err := requester{keyring, c.patience}.Request(c.ctx, keys.Subject+c.operation, nil)
		if !errors.Is(err, bus.ErrNobody) || keyring.asked != 1 {
			t.Errorf("%s: %v, asked %d times", name, err, keyring.asked)
		}
	}
}
