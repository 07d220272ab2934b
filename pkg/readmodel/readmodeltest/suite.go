// Package readmodeltest holds the suite that every server behind pkg/readmodel
// must pass. Only tests import it.
package readmodeltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postern-mail/postern/pkg/readmodel"
)

// Suite tests each promise of readmodel.ReadModel and readmodel.Short. The
// function tells how to reach an empty server.
func Suite(t *testing.T, start func(*testing.T) readmodel.Config) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, readmodel.Config)
	}{
		{"an effect and its position become visible together", together},
		{"a sequence that was applied is ignored", onceOnly},
		{"projectors that race apply each message once", race},
		{"an effect that fails changes nothing", failing},
		{"a change without a stream is all or nothing as well", change},
		{"cells keep any bytes up to their limit", cells},
		{"a set is ranged over in both directions, in bounds, page by page", ranges},
		{"members of equal score are paged by name and none is lost", ties},
		{"scores and counts", scores},
		{"what is notified wakes who subscribes", notify},
		{"a lost connection wakes who subscribes", lostConnection},
		{"scrubbing removes what is named and nothing else", scrub},
		{"a reset begins at zero and keeps short-lived values", reset},
		{"short-lived values end", shortLived},
		{"a value is taken once", taken},
		{"counters end their window", counters},
		{"two deployments do not see each other", prefixes},
		{"keys are held to their form", keys},
		{"an ended context does nothing", ended},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, start(t)) })
	}
}

func open(t *testing.T, config readmodel.Config) *readmodel.Redis {
	t.Helper()
	model, err := readmodel.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { model.Close() })
	return model
}

func put(key, value string) func(readmodel.Tx) error {
	return func(tx readmodel.Tx) error {
		tx.Put(key, []byte(value))
		return nil
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustHave(t *testing.T, model readmodel.ReadModel, key, want string) {
	t.Helper()
	value, there, err := model.Get(t.Context(), key)
	if err != nil || !there || string(value) != want {
		t.Errorf("%s is %.40q, %v, %v; want %.40q", key, value, there, err, want)
	}
}

func mustLack(t *testing.T, model readmodel.ReadModel, key string) {
	t.Helper()
	if value, there, err := model.Get(t.Context(), key); there || value != nil || err != nil {
		t.Errorf("%s is %q, %v, %v; want none", key, value, there, err)
	}
}

func mustStand(t *testing.T, model readmodel.ReadModel, stream string, want uint64) {
	t.Helper()
	if seq, err := model.Position(t.Context(), stream); seq != want || err != nil {
		t.Errorf("%s stands at %d, want %d (%v)", stream, seq, want, err)
	}
}

func together(t *testing.T, config readmodel.Config) {
	model := open(t, config)
	mustStand(t, model, "TICKETS", 0)
	must(t, model.Apply(t.Context(), "TICKETS", 7, func(tx readmodel.Tx) error {
		tx.Put("ticket:1", []byte("one"))
		tx.Put("ticket:2", []byte("two"))
		tx.Add("open", "1", 10)
		tx.Add("open", "2", 20)
		// It reads what was there before.
		if _, there, err := tx.Get("ticket:1"); there || err != nil {
			t.Errorf("the effect sees itself: %v", err)
		}
		return nil
	}))
	mustHave(t, model, "ticket:1", "one")
	mustHave(t, model, "ticket:2", "two")
	mustStand(t, model, "TICKETS", 7)
	mustStand(t, model, "ITEMS", 0)
	must(t, model.Apply(t.Context(), "TICKETS", math.MaxUint64, func(tx readmodel.Tx) error {
		if value, there, err := tx.Get("ticket:1"); string(value) != "one" || !there || err != nil {
			t.Errorf("the effect reads %q, %v, %v", value, there, err)
		}
		if score, there, err := tx.Score("open", "2"); score != 20 || !there || err != nil {
			t.Errorf("the effect reads the score %v, %v, %v", score, there, err)
		}
		tx.Delete("ticket:1", "ticket:3")
		tx.Remove("open", "1", "3")
		tx.Remove("open")
		return nil
	}))
	mustLack(t, model, "ticket:1")
	mustHave(t, model, "ticket:2", "two")
	if _, there, err := model.Score(t.Context(), "open", "1"); there || err != nil {
		t.Errorf("a removed member has a score: %v", err)
	}
	mustStand(t, model, "TICKETS", math.MaxUint64)
}

func onceOnly(t *testing.T, config readmodel.Config) {
	model := open(t, config)
	must(t, model.Apply(t.Context(), "TICKETS", 5, put("a", "first")))
	for _, seq := range []uint64{5, 4, 1, 0} {
		must(t, model.Apply(t.Context(), "TICKETS", seq, func(tx readmodel.Tx) error {
			t.Errorf("the effect of %d ran", seq)
			tx.Put("a", []byte("again"))
			return nil
		}))
	}
	mustHave(t, model, "a", "first")
	mustStand(t, model, "TICKETS", 5)
	must(t, model.Apply(t.Context(), "TICKETS", 6, put("a", "next")))
	mustHave(t, model, "a", "next")
	must(t, model.Apply(t.Context(), "ITEMS", 1, put("b", "other stream")))
	mustHave(t, model, "b", "other stream")
}

func race(t *testing.T, config readmodel.Config) {
	const projectors, messages = 4, 50
	var all sync.WaitGroup
	for range projectors {
		model := open(t, config) // a process of its own
		all.Go(func() {
			for seq := uint64(1); seq <= messages; seq++ {
				err := model.Apply(t.Context(), "TICKETS", seq, func(tx readmodel.Tx) error {
					// Reads, and writes what depends on it: an addition that
					// would show a message applied twice or overtaken.
					value, _, err := tx.Get("sum")
					if err != nil {
						return err
					}
					sum, _ := strconv.ParseUint(string(value), 10, 64)
					tx.Put("sum", []byte(strconv.FormatUint(sum+seq, 10)))
					tx.Add("seen", strconv.FormatUint(seq, 10), float64(seq))
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	model := open(t, config)
	mustHave(t, model, "sum", "1275") // 50 * 51 / 2
	mustStand(t, model, "TICKETS", messages)
	if count, err := model.Count(t.Context(), "seen", 0, messages); count != messages || err != nil {
		t.Errorf("%d seen, %v", count, err)
	}
}

func failing(t *testing.T, config readmodel.Config) {
	model := open(t, config)
	broken := errors.New("broken")
	for what, effect := range map[string]func(readmodel.Tx) error{
		"error":          func(tx readmodel.Tx) error { tx.Put("a", nil); return broken },
		"bad key":        func(tx readmodel.Tx) error { tx.Put("a", nil); tx.Put("b c", nil); return nil },
		"bad set":        func(tx readmodel.Tx) error { tx.Put("a", nil); tx.Add("", "m", 1); return nil },
		"not a number":   func(tx readmodel.Tx) error { tx.Put("a", nil); tx.Add("s", "m", math.NaN()); return nil },
		"too large":      func(tx readmodel.Tx) error { tx.Put("a", nil); tx.Put("b", make([]byte, 2<<20)); return nil },
		"bad key read":   func(tx readmodel.Tx) error { tx.Put("a", nil); _, _, err := tx.Get("*"); return err },
		"bad score read": func(tx readmodel.Tx) error { tx.Put("a", nil); _, _, err := tx.Score("*", "m"); return err },
	} {
		if err := model.Apply(t.Context(), "TICKETS", 1, effect); err == nil {
			t.Errorf("%s: no error", what)
		}
		mustLack(t, model, "a")
		mustStand(t, model, "TICKETS", 0)
	}
	if err := model.Apply(t.Context(), "TICKETS", 1, func(readmodel.Tx) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("the effect's error came back as %v", err)
	}
}

func change(t *testing.T, config readmodel.Config) {
	model := open(t, config)
	must(t, model.Change(t.Context(), func(tx readmodel.Tx) error {
		tx.Put("a", []byte("x"))
		tx.Add("due", "a", 5)
		return nil
	}))
	mustHave(t, model, "a", "x")
	broken := errors.New("broken")
	err := model.Change(t.Context(), func(tx readmodel.Tx) error {
		tx.Delete("a")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	mustHave(t, model, "a", "x")
	must(t, model.Change(t.Context(), func(readmodel.Tx) error { return nil }))
}

func cells(t *testing.T, config readmodel.Config) {
	config.MaxValue = 1000
	model := open(t, config)
	var every []byte
	for b := range 256 {
		every = append(every, byte(b))
	}
	for i, value := range [][]byte{{}, every, bytes.Repeat([]byte("x"), 1000)} {
		key := fmt.Sprintf("cell:%d", i)
		must(t, model.Change(t.Context(), func(tx readmodel.Tx) error { tx.Put(key, value); return nil }))
		mustHave(t, model, key, string(value))
		must(t, model.Short().SetFor(t.Context(), key, value, minute))
		got, there, err := model.Short().Get(t.Context(), key)
		if err != nil || !there || !bytes.Equal(got, value) {
			t.Errorf("short-lived %s: %d bytes, %v, %v", key, len(got), there, err)
		}
	}
	large := make([]byte, 1001)
	if err := model.Change(t.Context(), func(tx readmodel.Tx) error { tx.Put("l", large); return nil }); !errors.Is(err, readmodel.ErrTooLarge) {
		t.Errorf("one byte past the limit: %v", err)
	}
	if err := model.Short().SetFor(t.Context(), "l", large, minute); !errors.Is(err, readmodel.ErrTooLarge) {
		t.Errorf("one byte past the limit, short-lived: %v", err)
	}
	values, err := model.GetMany(t.Context(), []string{"cell:1", "none", "cell:0"})
	if err != nil || len(values) != 3 || !bytes.Equal(values[0], every) || values[1] != nil || values[2] == nil || len(values[2]) != 0 {
		t.Errorf("many: %q, %v", values, err)
	}
	if values, err := model.GetMany(t.Context(), nil); len(values) != 0 || err != nil {
		t.Errorf("many of none: %q, %v", values, err)
	}
}

func prefixes(t *testing.T, config readmodel.Config) {
	one, two := config, config
	one.Prefix, two.Prefix = "one", "one.two"
	a, b := open(t, one), open(t, two)
	must(t, a.Apply(t.Context(), "TICKETS", 3, put("k", "a")))
	must(t, b.Apply(t.Context(), "TICKETS", 9, put("k", "b")))
	must(t, a.Short().SetFor(t.Context(), "k", []byte("a"), minute))
	mustHave(t, a, "k", "a")
	mustHave(t, b, "k", "b")
	mustStand(t, a, "TICKETS", 3)
	if _, there, err := b.Short().Get(t.Context(), "k"); there || err != nil {
		t.Errorf("one deployment reads another's session: %v", err)
	}
	must(t, a.Reset(t.Context()))
	mustLack(t, a, "k")
	mustHave(t, b, "k", "b")
	mustStand(t, b, "TICKETS", 9)
}

func keys(t *testing.T, config readmodel.Config) {
	model := open(t, config)
	must(t, model.Change(t.Context(), put(strings.Repeat("k", readmodel.MaxKey), "x")))
	for _, key := range []string{"", "a b", "a*", "a?", "a[b]", "a\\", "{a}", "ä", "a\n", strings.Repeat("k", readmodel.MaxKey+1)} {
		calls := map[string]error{
			"apply":    model.Apply(t.Context(), key, 1, func(readmodel.Tx) error { return nil }),
			"put":      model.Change(t.Context(), put(key, "x")),
			"notify":   model.Notify(t.Context(), key),
			"drop":     model.Short().Drop(t.Context(), key),
			"set":      model.Short().SetFor(t.Context(), key, nil, minute),
			"position": second(model.Position(t.Context(), key)),
			"range":    second(model.Range(t.Context(), key, readmodel.Query{})),
			"many":     second(model.GetMany(t.Context(), []string{key})),
			"count":    second(model.Short().Count(t.Context(), key, minute)),
			"scrub":    second(model.Scrub(t.Context(), key+"**")),
		}
		for call, err := range calls {
			if !errors.Is(err, readmodel.ErrKey) {
				t.Errorf("%s of %.20q: %v", call, key, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func ended(t *testing.T, config readmodel.Config) {
	model := open(t, config)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var ran atomic.Bool
	err := model.Apply(ctx, "TICKETS", 1, func(tx readmodel.Tx) error { ran.Store(true); tx.Put("a", nil); return nil })
	if err == nil || ran.Load() {
		t.Errorf("apply: %v, ran: %v", err, ran.Load())
	}
	if _, _, err := model.Get(ctx, "a"); err == nil {
		t.Error("get succeeded")
	}
	if _, err := model.Scrub(ctx, "a*"); err == nil {
		t.Error("scrub succeeded")
	}
	if err := model.Reset(ctx); err == nil {
		t.Error("reset succeeded")
	}
	mustLack(t, model, "a")
}
