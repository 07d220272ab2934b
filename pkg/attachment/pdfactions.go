package attachment

import (
	"bytes"
	"strconv"
)

// A pdfOpening is what a file does by itself when it is opened, or when a page of it is shown (ISO 32000-1
// §12.6.3, §12.6.4). As far as it is said in another object, that one is looked up in the end, wherever one
// of its number stands: which of several a reader takes is the reader's imagination.
type pdfOpening struct {
	then   []int           // numbers of objects that say more
	inside map[int]pdfStep // objects within streams of objects, those alone that act or say more
	kept   int             // numbers in it
	lost   bool            // there may be others in them, and an address
}

// A pdfStep is what one object does.
type pdfStep struct {
	goes bool  // to an address, or it is longer than one that any writer makes
	then []int // objects that say more
}

// Bounds of what is followed. No writer comes near them: whatever is beyond them is taken to go to an address.
const (
	pdfActionBytes  = 64 << 10 // of an action
	pdfActionDepth  = 32       // of dictionaries and lists in it
	pdfActionRounds = 16       // from an object to the next
	pdfActionsMost  = 1 << 18  // objects kept in mind
)

// note reads what is done where b begins: an action, several by their cause, or an object that says so. left is
// how many bytes may still be read for this.
func (o *pdfOpening) note(b []byte, left *int) (goes bool) {
	does := pdfStepAt(b, left)
	o.then = append(o.then, does.then...)
	return does.goes || len(o.then) > pdfActionsMost
}

// packed notes what the objects in a stream do (§7.5.7). Where its header is not understood and it speaks of
// addresses, anything may be in it.
func (o *pdfOpening) packed(content []byte, first int, addresses bool) {
	if first <= 0 || first > len(content) {
		o.lost = o.lost || addresses
		return
	}
	header, objects, left := pdfLexer{b: content[:first]}, content[first:], pdfWork(content)
	for {
		number, offset := header.next(), header.next()
		if number.kind == pdfEndToken {
			return
		}
		if number.kind != pdfIntegerToken || offset.kind != pdfIntegerToken || left <= 0 || o.kept > pdfActionsMost {
			o.lost = o.lost || addresses
			return
		}
		does := pdfStepAt(objects[min(offset.number, len(objects)):], &left)
		if !does.goes && len(does.then) == 0 {
			continue
		}
		if o.inside == nil {
			o.inside = map[int]pdfStep{}
		}
		former := o.inside[number.number] // an object may be said anew
		o.inside[number.number] = pdfStep{former.goes || does.goes, append(former.then, does.then...)}
		o.kept += 1 + len(does.then)
	}
}

// pdfWork is how many bytes of a text are read at most to know its actions, each of which may be read again
// where it is said in several places.
func pdfWork(b []byte) int { return 8*len(b) + pdfActionBytes }

// goesToAddress tells whether one of the objects that say what is done goes to an address.
func (o *pdfOpening) goesToAddress(b []byte) bool {
	if len(o.then) > 0 && o.lost {
		return true
	}
	left := pdfWork(b)
	asked, seen := o.then, map[int]bool{}
	for round := 0; len(asked) > 0; round++ {
		wanted := map[int]bool{}
		var next []int
		for _, number := range asked {
			if seen[number] {
				continue
			}
			seen[number], wanted[number] = true, true
			does := o.inside[number]
			if does.goes {
				return true
			}
			next = append(next, does.then...)
		}
		does := pdfObjects(b, func(number int, known bool) bool { return wanted[number] || !known && round == 0 }, &left)
		if does.goes || round == pdfActionRounds {
			return true
		}
		asked = append(next, does.then...)
	}
	return false
}

// pdfObjects is what those objects do that stand in the file by themselves and are wanted, all together. known is
// false where a number is written as no writer does it.
func pdfObjects(b []byte, wanted func(number int, known bool) bool, left *int) (all pdfStep) {
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte("obj"))
		if i < 0 {
			return all
		}
		before := b[max(0, at+i-pdfHeadingBytes) : at+i]
		at += i + len("obj")
		if bytes.HasSuffix(before, []byte("end")) || !wanted(pdfObjectNumber(before)) {
			continue
		}
		does := pdfStepAt(b[at:], left)
		all.then = append(all.then, does.then...)
		if all.goes = does.goes || len(all.then) > pdfActionsMost; all.goes {
			return all
		}
	}
}

// pdfHeadingBytes is how far before the keyword the number of an object is looked for.
const pdfHeadingBytes = 64

// pdfObjectNumber reads the number of an object, and its generation, at the end of what is before its keyword.
func pdfObjectNumber(before []byte) (number int, known bool) {
	cut := len(before) == pdfHeadingBytes
	for range 2 {
		before = bytes.TrimRight(before, pdfSpace)
		rest := bytes.TrimRight(before, "0123456789")
		if len(rest) == len(before) || len(rest) == 0 && cut {
			return 0, false
		}
		number, before = pdfInt(before[len(rest):]), rest
	}
	return number, true
}

// pdfInt is the value of digits, or more than any number of an object.
func pdfInt(digits []byte) int {
	digits = bytes.TrimLeft(digits, "0")
	if len(digits) > 10 {
		return 1 << 40
	}
	n, _ := strconv.Atoi(string(digits)) // of none it is 0
	return n
}

// pdfByItself are the keys under which an action or a list of actions by their cause says what is done without a
// person who clicks: what comes next, and when a page is opened, closed, seen or not any more, a field is pointed
// at or left, the file closed, saved or printed (§12.6.3).
var pdfByItself = map[string]bool{
	"Next": true, "O": true, "C": true, "PO": true, "PC": true, "PV": true, "PI": true, "E": true, "X": true, "Fo": true, "Bl": true,
	"WC": true, "WS": true, "DS": true, "WP": true, "DP": true,
}

// pdfStepAt is what the value does that b begins with: an action, actions by their cause, a list of actions, or
// an object that is one of these.
func pdfStepAt(b []byte, left *int) pdfStep {
	if *left <= 0 {
		return pdfStep{goes: true}
	}
	bound := min(pdfActionBytes, *left)
	r := pdfActionReader{pdfLexer: pdfLexer{b: b[:min(len(b), bound)]}}
	switch t := r.next(); t.kind {
	case pdfOpenDictionary, pdfOpenList, pdfIntegerToken:
		r.value(t, "", true, 0)
		if r.broken && len(b) > bound {
			r.does.goes = true
		}
	}
	*left -= r.at
	return r.does
}

// A pdfActionReader reads one value.
type pdfActionReader struct {
	pdfLexer
	does   pdfStep
	broken bool // off before its end, or too deep
}

// value reads a value under a key. does is whether what it says is done by itself.
func (r *pdfActionReader) value(t pdfToken, key string, does bool, depth int) {
	if depth > pdfActionDepth {
		r.broken, r.does.goes = true, true
		r.at = len(r.b)
		return
	}
	switch t.kind {
	case pdfOpenDictionary:
		r.dictionary(does, depth)
	case pdfOpenList:
		r.list(does && (key == "" || key == "Next"), depth)
	case pdfIntegerToken:
		if number, ok := r.reference(t); ok && does {
			r.does.then = append(r.does.then, number)
		}
	case pdfEndToken:
		r.broken = true
	}
}

// reference reads on behind a number, where a reference to another object stands (§7.3.10).
func (r *pdfActionReader) reference(t pdfToken) (number int, ok bool) {
	before := r.at
	if generation := r.next(); generation.kind == pdfIntegerToken {
		if keyword := r.next(); keyword.kind == pdfKeywordToken && keyword.text == "R" {
			return t.number, true
		}
	}
	r.at = before
	return 0, false
}

func (r *pdfActionReader) dictionary(does bool, depth int) {
	kind, elsewhere, address := "", false, false
	for {
		t := r.next()
		switch t.kind {
		case pdfEndToken:
			r.broken = true
			return
		case pdfCloseDictionary:
			if does && (kind == "URI" || elsewhere && address) {
				r.does.goes = true
			}
			return
		case pdfNameToken:
			key := t.text
			before := r.at
			switch t = r.next(); key {
			case "S":
				kind, elsewhere = t.text, t.kind == pdfIntegerToken
			case "URI":
				address = true
			}
			if t.kind == pdfCloseDictionary {
				r.at = before // that is missing
				continue
			}
			r.value(t, key, does && pdfByItself[key], depth+1)
		}
	}
}

// list reads a list. One with names in it says where in the file to go (§12.3.2.2).
func (r *pdfActionReader) list(does bool, depth int) {
	before, place := len(r.does.then), false
	for {
		switch t := r.next(); t.kind {
		case pdfEndToken:
			r.broken = true
			return
		case pdfCloseList:
			if place {
				r.does.then = r.does.then[:before]
			}
			return
		case pdfNameToken:
			place = true
		default:
			r.value(t, "", does, depth+1)
		}
	}
}

// pdfFirst is where the first object in a stream begins, as its dictionary says, in whose text before is all up to
// the keyword; 0 where that is not said there, or twice.
func pdfFirst(before []byte) (first int) {
	i := bytes.Index(before, []byte("<<"))
	if i < 0 {
		return 0
	}
	r := pdfActionReader{pdfLexer: pdfLexer{b: before[i+2:]}}
	for told := 0; ; {
		key := r.next()
		switch key.kind {
		case pdfEndToken, pdfCloseDictionary:
			return first
		case pdfNameToken:
		default:
			continue
		}
		before := r.at
		t := r.next()
		if key.text == "First" {
			_, elsewhere := r.reference(t)
			if told++; told > 1 || t.kind != pdfIntegerToken || elsewhere {
				return 0
			}
			first = t.number
		} else if t.kind == pdfCloseDictionary {
			r.at = before
		} else {
			r.value(t, "", false, 0)
		}
	}
}
