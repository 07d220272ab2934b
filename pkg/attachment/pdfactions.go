package attachment

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
)

// A pdfOpening is what a file does by itself when it is opened, or when a page of it is shown (§12.6.3,
// §12.6.4): as far as it is said in another object, that one is looked up in the end.
type pdfOpening struct {
	said   int             // times that it says so
	then   []string        // objects that say more, "5 0"
	inside map[string]step // objects within streams of objects, those alone that act or say more
	lost   bool            // there are more of them than are kept in mind
}

// A step is what one object does.
type step struct {
	goes bool // to an address
	then []string
}

// How far an action is read, how many of them, how many objects in streams are kept in mind, and how many
// steps one action has. No writer makes more.
const (
	pdfActionBytes = 1024
	pdfActions     = 64
	pdfSteps       = 100_000
	pdfStepsMost   = 16
)

// note reads what is done: an action, several by their cause, or an object that says so. It tells whether an
// address is gone to.
func (o *pdfOpening) note(b []byte) bool {
	o.said++
	b = bytes.TrimLeft(b[:min(len(b), pdfActionBytes)], pdfSpace)
	if object, length := pdfReferred(b); length > 0 {
		o.follow(object)
		return false
	}
	does := pdfStep(b)
	o.follow(does.then...)
	return does.goes || len(does.then) > 0 && o.said > pdfActions
}

// follow keeps objects in mind that say more.
func (o *pdfOpening) follow(objects ...string) {
	for _, object := range objects {
		if len(o.then) <= pdfActions && !slices.Contains(o.then, object) {
			o.then = append(o.then, object)
		}
	}
}

func (o *pdfOpening) add(q pdfOpening) {
	o.said += q.said
	o.follow(q.then...)
}

// packed notes what the objects in a stream do (§7.5.7). They stand in their order; where they are said to
// stand otherwise, they are read as long as that is no more than twice the stream.
func (o *pdfOpening) packed(content []byte, s pdfStream) {
	if s.first <= 0 || s.first > len(content) {
		o.lost = true
		return
	}
	numbers, objects := bytes.Fields(content[:s.first]), content[s.first:]
	left := 2*len(objects) + pdfActionBytes
	for i := 0; i+1 < len(numbers); i += 2 {
		begin := min(max(pdfNumber(numbers[i+1]), 0), len(objects))
		end := min(begin+pdfActionBytes, len(objects))
		if i+3 < len(numbers) {
			if next := pdfNumber(numbers[i+3]); next >= begin {
				end = min(end, next)
			}
		}
		if left -= end - begin; left < 0 || len(o.inside) == pdfSteps {
			o.lost = true
			return
		}
		does := pdfStep(objects[begin:end])
		if !does.goes && len(does.then) == 0 {
			continue
		}
		if o.inside == nil {
			o.inside = map[string]step{}
		}
		object := strconv.Itoa(pdfNumber(numbers[i])) + " 0"
		former := o.inside[object] // an object may be said anew
		o.inside[object] = step{former.goes || does.goes, append(former.then, does.then...)}
	}
}

// goesToAddress tells whether one of the objects that say what is done goes to an address. What says more than
// any writer does is taken to.
func (o *pdfOpening) goesToAddress(b []byte) bool {
	for i := 0; i < len(o.then); i++ {
		object := o.then[i]
		does, found := o.inside[object]
		plain, objects := pdfPlainObject(b, object)
		if i == pdfActions || objects > pdfActions || does.goes || plain.goes || !found && objects == 0 && o.lost {
			return true
		}
		o.follow(does.then...)
		o.follow(plain.then...)
	}
	return false
}

// pdfPlainObject is what an object does that stands in the file by itself, once or, in one that was changed,
// several times.
func pdfPlainObject(b []byte, object string) (does step, objects int) {
	heading := []byte(object + " obj")
	for objects <= pdfActions {
		i := bytes.Index(b, heading)
		if i < 0 {
			break
		}
		whole := i == 0 || b[i-1] < '0' || b[i-1] > '9'
		b = b[i+len(heading):]
		if whole {
			objects++
			one := pdfStep(b)
			does.goes, does.then = does.goes || one.goes, append(does.then, one.then...)
		}
	}
	return does, objects
}

// pdfReference is a reference to another object (§7.3.10).
var pdfReference = regexp.MustCompile(`^([0-9]+)\s+([0-9]+)\s+R`)

// pdfReferred is the object that b refers to where it begins, and how long that is written; 0: to none.
func pdfReferred(b []byte) (object string, length int) {
	found := pdfReference.FindSubmatch(b[:min(len(b), 64)])
	if found == nil {
		return "", 0
	}
	number := bytes.TrimLeft(found[1], "0")
	return string(number) + " " + string(found[2]), len(found[0])
}

// pdfByItself are the keys under which a dictionary says what is done without a person who clicks: what comes
// next, and when a page is opened, closed, seen or not any more, a file closed, saved or printed (§12.6.3).
var pdfByItself = map[string]bool{
	"Next": true, "O": true, "C": true, "PO": true, "PC": true, "PV": true, "PI": true,
	"WC": true, "WS": true, "DS": true, "WP": true, "DP": true,
}

// pdfByHand are the keys for what a person does with a field.
var pdfByHand = map[string]bool{"E": true, "X": true, "D": true, "U": true, "Fo": true, "Bl": true}

// pdfStep is what the dictionary does that b begins with: itself, or what it holds.
func pdfStep(b []byte) (does step) {
	b = bytes.TrimLeft(b[:min(len(b), pdfActionBytes)], pdfSpace)
	if !bytes.HasPrefix(b, []byte("<<")) {
		return does
	}
	depth, byHand, last := 0, 0, ""
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case bytes.HasPrefix(b[i:], []byte("<<")):
			if depth++; pdfByHand[last] && byHand == 0 {
				byHand = depth
			}
			i++
			last = ""
		case bytes.HasPrefix(b[i:], []byte(">>")):
			if depth == byHand {
				byHand = 0
			}
			if depth--; depth == 0 {
				return does
			}
			i++
			last = ""
		case c == '/':
			name, length := pdfName(b[i+1:])
			if last == "S" && name == "URI" && byHand == 0 {
				does.goes = true
			}
			i += length
			last = name
		case c >= '0' && c <= '9' && pdfByItself[last] && byHand == 0:
			object, length := pdfReferred(b[i:])
			if length > 0 && len(does.then) < pdfStepsMost { // of several in a list, too
				does.then = append(does.then, object)
			}
			i += max(length-1, 0)
		case c == '(' || c == '<' || c == '%':
			i += pdfPassed(b[i:])
			if c != '%' {
				last = ""
			}
		case pdfRegular(c) || c == ']':
			last = ""
		}
	}
	return does
}

// pdfPassed is how far on the last byte of the string or the remark is that begins b.
func pdfPassed(b []byte) int {
	switch b[0] {
	case '<':
		return max(bytes.IndexByte(b, '>'), 0)
	case '%':
		return max(bytes.IndexAny(b, "\r\n"), 0)
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(b) - 1
}
