package attachment

import (
	"cmp"
	"slices"
)

// A Layout says what the bytes of a container are. Its numbers add up to the
// container's size; it is all zero for what was not read to its end, and for
// documents, whose bytes are searched as a whole.
type Layout struct {
	Members   int64 // packed bytes of members
	Structure int64 // headers, tables, padding
	Named     int64 // data before or behind the container, of which its reasons tell
	Gap       int64 // data of none of these, which is a finding too
}

// What a span of bytes is.
const (
	spanStructure = iota
	spanMember
	spanNamed
)

type span struct {
	from, to int64
	kind     int
}

// A layout gathers the spans of one container.
type layout []span

func (l *layout) add(kind int, from, to int64) {
	if to > from {
		*l = append(*l, span{from, to, kind})
	}
}

// settle makes the account of a container from its spans, of which the first
// counts where two overlap, and finds the bytes that belong to none.
func (l layout) settle(a *Attachment, b []byte) {
	slices.SortStableFunc(l, func(x, y span) int { return cmp.Compare(x.from, y.from) })
	l.add(spanStructure, int64(len(b)), int64(len(b))+1) // so that the end is a place to come to
	var sum Layout
	at := int64(0)
	for _, s := range l {
		if gap := min(s.from, int64(len(b))); gap > at {
			if blank(b[at:gap]) {
				sum.Structure += gap - at
			} else {
				sum.Gap += gap - at
				a.add(DataBetweenMembers)
			}
			at = gap
		}
		to := min(s.to, int64(len(b)))
		if to <= at {
			continue
		}
		switch s.kind {
		case spanMember:
			sum.Members += to - at
		case spanNamed:
			sum.Named += to - at
		default:
			sum.Structure += to - at
		}
		at = to
	}
	a.Layout = sum
}
