package readmodeltest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/postern-mail/postern/pkg/readmodel"
)

func fill(t *testing.T, model *readmodel.Redis, set string, members []readmodel.Member) {
	t.Helper()
	must(t, model.Change(t.Context(), func(tx readmodel.Tx) error {
		for _, m := range members {
			tx.Add(set, m.Name, m.Score)
		}
		return nil
	}))
}

func mustRange(t *testing.T, model *readmodel.Redis, set string, q readmodel.Query, want ...string) {
	t.Helper()
	found, err := model.Range(t.Context(), set, q)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range found {
		names = append(names, m.Name)
	}
	if !slices.Equal(names, want) {
		t.Errorf("range %+v gives %q, want %q", q, names, want)
	}
}

func at(score float64) *float64 { return &score }

func ranges(t *testing.T, config readmodel.Config) {
	model := open(t, config)
	mustRange(t, model, "none", readmodel.Query{})
	fill(t, model, "s", []readmodel.Member{{Name: "c", Score: 30}, {Name: "a", Score: 10}, {Name: "d", Score: 40.5}, {Name: "b", Score: -20}, {Name: "e", Score: 1.7632e9}})
	type q = readmodel.Query
	mustRange(t, model, "s", q{}, "b", "a", "c", "d", "e")
	mustRange(t, model, "s", q{Reverse: true}, "e", "d", "c", "a", "b")
	mustRange(t, model, "s", q{Min: at(10)}, "a", "c", "d", "e")
	mustRange(t, model, "s", q{Max: at(30)}, "b", "a", "c")
	mustRange(t, model, "s", q{Min: at(10), Max: at(40.5), Reverse: true}, "d", "c", "a")
	mustRange(t, model, "s", q{Min: at(11), Max: at(12)})
	mustRange(t, model, "s", q{Min: at(12), Max: at(11)})
	mustRange(t, model, "s", q{Limit: 2}, "b", "a")
	mustRange(t, model, "s", q{Limit: 2, Reverse: true}, "e", "d")
	mustRange(t, model, "s", q{Limit: 2, After: &readmodel.Member{Name: "a", Score: 10}}, "c", "d")
	mustRange(t, model, "s", q{Limit: 9, After: &readmodel.Member{Name: "d", Score: 40.5}, Reverse: true}, "c", "a", "b")
	mustRange(t, model, "s", q{After: &readmodel.Member{Name: "e", Score: 1.7632e9}})
	mustRange(t, model, "s", q{After: &readmodel.Member{Name: "z", Score: 15}}, "c", "d", "e")
	mustRange(t, model, "s", q{After: &readmodel.Member{Name: "z", Score: -99}, Min: at(30)}, "c", "d", "e")
	mustRange(t, model, "s", q{After: &readmodel.Member{Name: "z", Score: 1e12}, Max: at(10), Reverse: true}, "a", "b")
	found, err := model.Range(t.Context(), "s", q{Min: at(1e9)})
	if err != nil || len(found) != 1 || found[0] != (readmodel.Member{Name: "e", Score: 1.7632e9}) {
		t.Errorf("%v, %v", found, err)
	}
}

func ties(t *testing.T, config readmodel.Config) {
	model := open(t, config)
	// More of one score than are fetched at once, between two others.
	const count = 1100
	members := []readmodel.Member{{Name: "before", Score: 1}, {Name: "zz-after", Score: 3}}
	for i := range count {
		members = append(members, readmodel.Member{Name: fmt.Sprintf("m%04d", i), Score: 2})
	}
	fill(t, model, "s", members)
	for _, reverse := range []bool{false, true} {
		var want []string
		for _, m := range members[2:] {
			want = append(want, m.Name)
		}
		want = append(append([]string{"before"}, want...), "zz-after")
		if reverse {
			slices.Reverse(want)
		}
		for _, size := range []int{0, 100, 499, 512, 1101} {
			var got []string
			query := readmodel.Query{Reverse: reverse, Limit: size}
			for {
				page, err := model.Range(t.Context(), "s", query)
				must(t, err)
				for _, m := range page {
					got = append(got, m.Name)
				}
				if size == 0 || len(page) < size {
					break
				}
				query.After = &page[len(page)-1]
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d, reverse %v: %d members, want %d", size, reverse, len(got), len(want))
			}
		}
	}
}

func scores(t *testing.T, config readmodel.Config) {
	model := open(t, config)
	fill(t, model, "s", []readmodel.Member{{Name: "a", Score: 1}, {Name: "b", Score: 2}, {Name: "c", Score: 3}})
	fill(t, model, "s", []readmodel.Member{{Name: "a", Score: 5}}) // moves
	for member, want := range map[string]float64{"a": 5, "b": 2} {
		if got, there, err := model.Score(t.Context(), "s", member); got != want || !there || err != nil {
			t.Errorf("%s has the score %v, %v, %v", member, got, there, err)
		}
	}
	for _, set := range []string{"s", "none"} {
		if _, there, err := model.Score(t.Context(), set, "z"); there || err != nil {
			t.Errorf("no member of %s has a score: %v", set, err)
		}
	}
	for _, c := range []struct {
		min, max float64
		want     int64
	}{{2, 5, 3}, {2, 3, 2}, {2.5, 2.6, 0}, {math.Inf(-1), math.Inf(1), 3}} {
		if got, err := model.Count(t.Context(), "s", c.min, c.max); got != c.want || err != nil {
			t.Errorf("from %v to %v are %d, want %d (%v)", c.min, c.max, got, c.want, err)
		}
	}
}

func scrub(t *testing.T, config readmodel.Config) {
	model := open(t, config)
	write := func() {
		must(t, model.Apply(t.Context(), "TICKETS", uint64(1), func(readmodel.Tx) error { return nil }))
		must(t, model.Change(t.Context(), func(tx readmodel.Tx) error {
			for _, key := range []string{"item:1", "item:1:view", "item:12", "other", "row"} {
				tx.Put(key, []byte("x"))
			}
			tx.Add("item:1", "m", 1)
			tx.Add("row", "m", 1)
			return nil
		}))
	}
	for _, c := range []struct {
		names   []string
		removed int
		left    []string
	}{
		{[]string{"item:1"}, 2, []string{"item:1:view", "item:12", "other", "row"}},
		{[]string{"item:1:*"}, 1, []string{"item:1", "item:12", "other", "row"}},
		{[]string{"item:1*"}, 4, []string{"other", "row"}},
		{[]string{"other", "row", "none", "none*"}, 3, []string{"item:1", "item:1:view", "item:12"}},
		{nil, 0, []string{"item:1", "item:1:view", "item:12", "other", "row"}},
	} {
		write()
		if removed, err := model.Scrub(t.Context(), c.names...); removed != c.removed || err != nil {
			t.Errorf("scrubbing %q removed %d, want %d (%v)", c.names, removed, c.removed, err)
		}
		for _, key := range []string{"item:1", "item:1:view", "item:12", "other", "row"} {
			if slices.Contains(c.left, key) {
				mustHave(t, model, key, "x")
			} else {
				mustLack(t, model, key)
			}
		}
		mustStand(t, model, "TICKETS", 1)
	}
	// More than one step of a scan looks at.
	must(t, model.Change(t.Context(), func(tx readmodel.Tx) error {
		for i := range 2500 {
			tx.Put(fmt.Sprintf("many:%d", i), []byte("x"))
		}
		return nil
	}))
	if removed, err := model.Scrub(t.Context(), "many:*"); removed != 2500 || err != nil {
		t.Errorf("scrubbing many removed %d (%v)", removed, err)
	}
}

func reset(t *testing.T, config readmodel.Config) {
	model := open(t, config)
	must(t, model.Apply(t.Context(), "TICKETS", 9, func(tx readmodel.Tx) error {
		tx.Put("a", []byte("x"))
		tx.Add("s", "m", 1)
		return nil
	}))
	must(t, model.Short().SetFor(t.Context(), "session", []byte("x"), minute))
	must(t, model.Reset(t.Context()))
	mustLack(t, model, "a")
	mustRange(t, model, "s", readmodel.Query{})
	mustStand(t, model, "TICKETS", 0)
	if _, there, err := model.Short().Get(t.Context(), "session"); !there || err != nil {
		t.Errorf("a reset signed somebody out: %v", err)
	}
	must(t, model.Apply(t.Context(), "TICKETS", 1, put("a", "again")))
	mustHave(t, model, "a", "again")
}
