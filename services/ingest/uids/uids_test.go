package uids

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRangesThatTouchBecomeOne(t *testing.T) {
	s := Of(Range{5, 7}, Range{1, 2}, Range{10, 10}, Range{8, 9}, Range{4, 3}, Range{0, 0})
	if want := []Range{{1, 2}, {5, 10}}; !slices.Equal(s.Ranges(), want) {
		t.Fatalf("ranges %v, want %v", s.Ranges(), want)
	}
	if s.FirstMissing() != 3 || s.Highest() != 10 || s.Len() != 8 {
		t.Errorf("first missing %d, highest %d, length %d; want 3, 10, 8", s.FirstMissing(), s.Highest(), s.Len())
	}
}

func TestTheHighestUIDThereIsDoesNotWrapAround(t *testing.T) {
	s := Of(Range{math.MaxUint32, math.MaxUint32}, Range{math.MaxUint32 - 1, math.MaxUint32 - 1})
	if want := []Range{{math.MaxUint32 - 1, math.MaxUint32}}; !slices.Equal(s.Ranges(), want) {
		t.Fatalf("ranges %v, want %v", s.Ranges(), want)
	}
	s.AddRange(1, math.MaxUint32)
	if s.FirstMissing() != 0 || s.Len() != math.MaxUint32 {
		t.Errorf("first missing %d, length %d", s.FirstMissing(), s.Len())
	}
	if rest := s.Without(Of(Range{2, math.MaxUint32})); !slices.Equal(slices.Collect(rest.All()), []uint32{1}) {
		t.Errorf("rest %v, want only 1", rest.Ranges())
	}
}

func TestSparseSetsCostTheirRangesOnly(t *testing.T) {
	var s Set
	for i := range uint32(2000) {
		s.Add(i*19_000 + 1)
	}
	if len(s.Ranges()) != 2000 || s.Len() != 2000 {
		t.Errorf("%d ranges of %d UIDs, want 2000 of 2000", len(s.Ranges()), s.Len())
	}
}

// The model is a map of small numbers.
func TestSetsAgreeWithAPlainModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	draw := func() (Set, map[uint32]bool) {
		var s Set
		model := map[uint32]bool{}
		for range random.IntN(8) {
			first := random.Uint32N(40)
			last := first + random.Uint32N(6)
			s.AddRange(first, last)
			for n := max(first, 1); n <= last; n++ {
				model[n] = true
			}
		}
		return s, model
	}
	for range 2000 {
		a, inA := draw()
		b, inB := draw()
		rest := a.Without(b)
		both := Of(a.Ranges()...)
		both.AddSet(b)
		common := a.Both(b)
		less := Of(a.Ranges()...)
		less.Remove(7)
		for n := uint32(1); n < 50; n++ {
			if common.Contains(n) != (inA[n] && inB[n]) || less.Contains(n) != (inA[n] && n != 7) {
				t.Fatalf("a %v, b %v: number %d: in both %v, in a without 7 %v", a, b, n, common.Contains(n), less.Contains(n))
			}
			if a.Contains(n) != inA[n] || rest.Contains(n) != (inA[n] && !inB[n]) || both.Contains(n) != (inA[n] || inB[n]) {
				t.Fatalf("a %v, b %v: number %d: in a %v, in rest %v, in both %v", a, b, n, a.Contains(n), rest.Contains(n), both.Contains(n))
			}
		}
		if got := slices.Collect(rest.All()); int64(len(got)) != rest.Len() {
			t.Fatalf("%v yields %d UIDs and says %d", rest, len(got), rest.Len())
		}
	}
}
