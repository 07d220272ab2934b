package fault

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

func TestAVerdictIsReadThroughEveryWrapping(t *testing.T) {
	cases := []struct {
		name string
		err  error
		want Verdict
	}{
		{"no error", nil, Verdict{Kind: None}},
		{"a plain error", io.ErrUnexpectedEOF, Verdict{Kind: Broken, Code: "failed"}},
		{"later", Later(time.Minute, "keyring_busy"), Verdict{Delayed, "keyring_busy", time.Minute}},
		{"later without a delay", Later(-1, "keyring_busy"), Verdict{Kind: Delayed, Code: "keyring_busy"}},
		{"final", Final("garbled_event"), Verdict{Kind: Ended, Code: "garbled_event"}},
		{"wrapped", fmt.Errorf("item: %w", Final("garbled_event")), Verdict{Kind: Ended, Code: "garbled_event"}},
		{"joined", errors.Join(io.EOF, Later(0, "dns_down")), Verdict{Kind: Delayed, Code: "dns_down"}},
		{"the outermost decides", LaterFor(Final("inner"), 0, "outer"), Verdict{Kind: Delayed, Code: "outer"}},
	}
	for _, c := range cases {
		if got := Of(c.err); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestACauseStaysReachable(t *testing.T) {
	if err := FinalFor(io.ErrUnexpectedEOF, "torn"); !errors.Is(err, io.ErrUnexpectedEOF) || !IsFinal(err) || IsLater(err) {
		t.Errorf("got %v", err)
	}
}

func TestOnlyLowerSnakeCaseIsACode(t *testing.T) {
	for _, good := range []string{"a", "a1", "garbled_event", "spf_2_far", strings.Repeat("a", 64)} {
		if Code(good) != good {
			t.Errorf("%q was refused", good)
		}
	}
	for _, bad := range []string{"", "_a", "a_", "a__b", "1a", "A", "a-b", "a b", "é", "a\n", strings.Repeat("a", 65)} {
		if Code(bad) != Unnamed {
			t.Errorf("%q was let through", bad)
		}
	}
}
