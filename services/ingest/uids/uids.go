// Package uids keeps sets of IMAP UIDs as ranges, so that a set costs what its
// gaps cost, not what its numbers span.
package uids

import (
	"iter"
	"math"
	"slices"
)

// A Range is all numbers from First to Last, both in it.
type Range struct{ First, Last uint32 }

// A Set is a set of UIDs. The zero value is empty. Its ranges are in order and
// neither touch nor overlap. UID 0 does not exist (RFC 3501 §9) and is ignored.
type Set struct{ ranges []Range }

// Of is the set of these ranges, whatever their order. Empty ones are left out.
func Of(ranges ...Range) Set {
	var s Set
	for _, r := range ranges {
		s.AddRange(r.First, r.Last)
	}
	return s
}

// Ranges is the set as ranges in order.
func (s Set) Ranges() []Range { return slices.Clone(s.ranges) }

// Add puts one UID in.
func (s *Set) Add(uid uint32) { s.AddRange(uid, uid) }

// AddRange puts first to last in.
func (s *Set) AddRange(first, last uint32) {
	first = max(first, 1)
	if first > last {
		return
	}
	// The ranges from..to are those that the new one touches or overlaps.
	from, _ := slices.BinarySearchFunc(s.ranges, first, func(r Range, n uint32) int {
		if r.Last == math.MaxUint32 || r.Last+1 >= n {
			return 1
		}
		return -1
	})
	to := from
	for to < len(s.ranges) && (last == math.MaxUint32 || s.ranges[to].First <= last+1) {
		first, last = min(first, s.ranges[to].First), max(last, s.ranges[to].Last)
		to++
	}
	s.ranges = slices.Replace(s.ranges, from, to, Range{first, last})
}

// Contains tells whether uid is in.
func (s Set) Contains(uid uint32) bool {
	i, _ := slices.BinarySearchFunc(s.ranges, uid, func(r Range, n uint32) int {
		if r.Last < n {
			return -1
		}
		return 1
	})
	return i < len(s.ranges) && s.ranges[i].First <= uid
}

// Without is what is in s and not in other.
func (s Set) Without(other Set) Set {
	var rest Set
	j := 0
	for _, r := range s.ranges {
		first := uint64(r.First)
		for j < len(other.ranges) && other.ranges[j].Last < r.First {
			j++
		}
		for k := j; k < len(other.ranges) && other.ranges[k].First <= r.Last; k++ {
			if gap := other.ranges[k]; uint64(gap.First) > first {
				rest.ranges = append(rest.ranges, Range{uint32(first), gap.First - 1})
			}
			first = max(first, uint64(other.ranges[k].Last)+1)
		}
		if first <= uint64(r.Last) {
			rest.ranges = append(rest.ranges, Range{uint32(first), r.Last})
		}
	}
	return rest
}

// AddSet puts all of other in. It costs what both have of ranges.
func (s *Set) AddSet(other Set) {
	if len(other.ranges) == 0 {
		return
	}
	merged := Set{ranges: make([]Range, 0, len(s.ranges)+len(other.ranges))}
	mine, its := s.ranges, other.ranges
	for len(mine) > 0 || len(its) > 0 {
		if len(its) == 0 || len(mine) > 0 && mine[0].First <= its[0].First {
			merged.AddRange(mine[0].First, mine[0].Last) // at the end, so at once
			mine = mine[1:]
		} else {
			merged.AddRange(its[0].First, its[0].Last)
			its = its[1:]
		}
	}
	s.ranges = merged.ranges
}

// Remove takes one UID out.
func (s *Set) Remove(uid uint32) {
	if s.Contains(uid) {
		*s = s.Without(Set{[]Range{{uid, uid}}})
	}
}

// Both is what is in s and in other.
func (s Set) Both(other Set) Set { return s.Without(s.Without(other)) }

// FirstMissing is the lowest UID that is not in; 0 where every one is.
func (s Set) FirstMissing() uint32 {
	if len(s.ranges) == 0 || s.ranges[0].First > 1 {
		return 1
	}
	return s.ranges[0].Last + 1 // of the highest UID there is: 0
}

// Highest is the highest UID in the set, 0 where it is empty.
func (s Set) Highest() uint32 {
	if len(s.ranges) == 0 {
		return 0
	}
	return s.ranges[len(s.ranges)-1].Last
}

// Len is the number of UIDs in the set.
func (s Set) Len() int64 {
	var n int64
	for _, r := range s.ranges {
		n += int64(r.Last) - int64(r.First) + 1
	}
	return n
}

// All yields the UIDs in order.
func (s Set) All() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, r := range s.ranges {
			for uid := uint64(r.First); uid <= uint64(r.Last); uid++ {
				if !yield(uint32(uid)) {
					return
				}
			}
		}
	}
}
