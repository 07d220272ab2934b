package attachment

import "bytes"

// A pdfOpening is what a file does by itself when it is opened, or when a page of it is shown (ISO 32000-1
// §12.6.3, §12.6.4). As far as it is said in another object, that one is looked up in the end, wherever one
// of its number stands: which of several a reader takes is the reader's imagination.
type pdfOpening struct {
	then   []int           // numbers of objects that say more
	inside map[int]pdfStep // objects within streams of objects, those alone that act or say more
	kept   int             // numbers in it
	work   int             // bytes read for it
	lost   bool            // there may be others in them
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
	pdfWorkMost     = 32 << 20 // bytes read for them
)

// note reads what is done where b begins: an action, several by their cause, or an object that says so. left is
// how many bytes may still be read for this.
func (o *pdfOpening) note(b []byte, left *int) (goes bool) {
	does := pdfStepAt(b, left)
	o.then = append(o.then, does.then...)
	return does.goes || len(o.then) > pdfActionsMost
}

// packed notes what the objects in a stream do (§7.5.7). understood is false where its header is none: then anything
// may be in it, or it is not what the stream holds.
func (o *pdfOpening) packed(content []byte, first int) (understood bool) {
	if first <= 0 || first > len(content) {
		o.lost = true
		return false
	}
	header, objects, left := pdfLexer{b: content[:first]}, content[first:], pdfWork(content)
	for {
		number, offset := header.next(), header.next()
		if number.kind == pdfEndToken {
			return true
		}
		understood = number.kind == pdfIntegerToken && offset.kind == pdfIntegerToken
		if !understood || left <= 0 || o.kept > pdfActionsMost || o.work > pdfWorkMost {
			o.lost = true
			return understood
		}
		before := left
		does := pdfStepAt(objects[min(offset.number, len(objects)):], &left)
		if o.work += before - left; !does.goes && len(does.then) == 0 {
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

// pdfWork is how many bytes of a text are read at most to know its actions: each is said once, and some again
// within others.
func pdfWork(b []byte) int { return min(2*len(b), pdfWorkMost) + pdfActionBytes }

// goesToAddress tells whether one of the objects that say what is done goes to an address. addresses is whether
// there are any.
func (o *pdfOpening) goesToAddress(b []byte, addresses bool) bool {
	if len(o.then) > 0 && o.lost && addresses {
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
		if number, _, known := pdfHeading(before); bytes.HasSuffix(before, []byte("end")) || !wanted(number, known) {
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

// pdfHeading reads the number of an object, and its generation, at the end of what is before its keyword. They are
// not known where they are far from that, or on a line with a remark.
func pdfHeading(before []byte) (number, generation int, known bool) {
	cut := len(before) == pdfHeadingBytes
	rest := before
	for range 2 {
		digits := bytes.TrimRight(rest, pdfSpace)
		rest = bytes.TrimRight(digits, "0123456789")
		if len(rest) == len(digits) || len(rest) == 0 && cut {
			return 0, 0, false
		}
		number, generation = pdfInt(digits[len(rest):]), number
	}
	line := before[bytes.LastIndexAny(rest, "\r\n")+1:]
	return number, generation, bytes.IndexByte(line, '%') < 0 && !bytes.HasSuffix(rest, []byte("."))
}

// pdfInt is the value of digits, or more than any number of an object.
func pdfInt(digits []byte) (n int) {
	for _, c := range digits {
		if n = 10*n + int(c-'0'); n > 1<<40 {
			return 1 << 40
		}
	}
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
	}
	if (r.ended || r.at >= bound) && len(b) > bound { // it may go on
		r.does.goes = true
	}
	*left -= r.at
	return r.does
}

// A pdfActionReader reads one value.
type pdfActionReader struct {
	pdfLexer
	does pdfStep
}

// value reads a value under a key. does is whether what it says is done by itself.
func (r *pdfActionReader) value(t pdfToken, key string, does bool, depth int) {
	if depth > pdfActionDepth {
		r.at, r.does.goes = len(r.b), true
		return
	}
	switch t.kind {
	case pdfOpenDictionary:
		r.dictionary(does, depth)
	case pdfOpenList:
		r.list(does && (key == "" || key == "Next"), key == "", depth)
	case pdfIntegerToken:
		if number, ok := r.reference(t); ok && does {
			r.does.then = append(r.does.then, number)
		}
	}
}

// dictionary reads a dictionary, also one that does not end.
func (r *pdfActionReader) dictionary(does bool, depth int) {
	kind, elsewhere, address := false, false, false
	for {
		t := r.next()
		switch t.kind {
		case pdfEndToken, pdfCloseDictionary:
			if does && (kind || elsewhere && address) {
				r.does.goes = true
			}
			return
		case pdfNameToken:
			key, before := t.text, r.at
			switch t = r.next(); key {
			case "S":
				kind, elsewhere = kind || t.text == "URI", elsewhere || t.kind == pdfIntegerToken
			case "URI":
				address = true
			}
			if t.kind == pdfCloseDictionary {
				r.at = before // a value that is missing
				continue
			}
			r.value(t, key, does && pdfByItself[key], depth+1)
		}
	}
}

// list reads a list. It may be a place in the file to go to: a page, and by name how it is seen (§12.3.2.2).
func (r *pdfActionReader) list(does, place bool, depth int) {
	before := len(r.does.then)
	for n := 0; ; n++ {
		t := r.next()
		switch t.kind {
		case pdfEndToken:
			return
		case pdfCloseList:
			if place && n > 1 {
				r.does.then = r.does.then[:before]
			}
			return
		}
		if n < 2 {
			place = place && t.kind == [2]pdfTokenKind{pdfIntegerToken, pdfNameToken}[n]
		}
		r.value(t, "", does, depth+1)
	}
}
