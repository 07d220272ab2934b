package pii

import (
	"unicode/utf8"
)

// Limits of one run of digits. Longer runs are searched in windows.
const (
	maxWindow = 24 // digits of the longest number that is known
	maxGap    = 3  // bytes between two groups of one number, line ends aside
)

// A group is a stretch of digits without anything between.
type group struct {
	first, end int  // into run.digits
	gap        byte // what stands before it: ' ', '-', '.', '/', '(', '\n' or 0 for nothing known
	gapLong    bool // more than the one character stands there
}

// A span is where something stands in the text.
type span struct{ start, end int }

// A run is digits and what may stand between the digits of one number.
type run struct {
	digits []byte // values 0..9
	at     []span // of each digit
	groups []group
	lead   byte // '+', '(' or letter right before the first digit, else 0
	tail   byte // a letter, digit sign or the like right behind the last, else 0
	leadAt int  // where lead stands

	extension int // end of an extension such as x4587 behind the last digit, else 0
}

// numbers finds everything that is made of digits.
func (s *scan) numbers() {
	var r run
	for i := 0; i < len(s.text); {
		if byteClass[s.text[i]]&isDigitClass == 0 {
			i++
			continue
		}
		_, size := digitAt(s.text, i)
		if size == 0 {
			i++
			continue
		}
		if !enough(s.text[i:]) {
			i += size
			continue
		}
		i = s.readRun(&r, i)
		if len(r.digits) >= leastDigits {
			s.run(&r)
		}
	}
}

// leastDigits is how many the shortest number has that is looked for.
const leastDigits = 7

// enough says whether a run that begins a text may have so many digits.
func enough(text string) bool {
	digits := 0
	for i := 0; i < len(text); i++ {
		class := byteClass[text[i]]
		if class&isDigitClass != 0 {
			if digits++; digits == leastDigits {
				return true
			}
		} else if class&isSpacer == 0 {
			return false
		}
	}
	return false
}

// digitAt gives the value of the decimal digit at i and its size in bytes; size 0
// means that there is none.
func digitAt(text string, i int) (byte, int) {
	if c := text[i]; c >= '0' && c <= '9' {
		return c - '0', 1
	}
	return 0, 0
}

// readRun reads the run that begins at i and gives the offset behind it.
func (s *scan) readRun(r *run, i int) int {
	if r.digits == nil {
		r.digits, r.at, r.groups = make([]byte, 0, 16), make([]span, 0, 16), make([]group, 0, 8)
	}
	r.digits, r.at, r.groups = r.digits[:0], r.at[:0], r.groups[:0]
	r.lead, r.leadAt = s.before(i)
	gap, long := byte(0), false
	for i < len(s.text) {
		first := len(r.digits)
		for i < len(s.text) {
			d, size := digitAt(s.text, i)
			if size == 0 {
				break
			}
			r.digits, r.at = append(r.digits, d), append(r.at, span{i, i + size})
			i += size
		}
		r.groups = append(r.groups, group{first, len(r.digits), gap, long})
		next := 0
		if gap, long, next = s.gap(i); next < 0 {
			break
		}
		i = next
	}
	r.tail, r.extension = 0, 0
	if len(r.digits) < leastDigits {
		return i
	}
	if r.extension = extension(s.text, i); r.extension > 0 {
		return i
	}
	if i < len(s.text) {
		c := s.text[i]
		if isLetter(c) || c == '_' || c >= utf8.RuneSelf && sortOfNext(s.text[i:]) == letterWord {
			r.tail = 'a'
		} else if (c == ',' || c == '.' || c == ':') && i+1 < len(s.text) && isDigit(s.text[i+1]) {
			r.tail = c
		} else if c == '%' {
			r.tail = c
		}
	}
	return i
}

// extension reads "x4587" or " ext. 45" behind a number and gives its end, 0 for
// none.
func extension(text string, i int) int {
	j := i
	for j < len(text) && text[j] == ' ' && j-i < 2 {
		j++
	}
	word, end := j, wordAt(text, j)
	if end == j {
		return 0
	}
	name := lower(text[word:end])
	cut := len(name)
	for cut > 0 && isDigit(name[cut-1]) {
		cut--
	}
	switch name[:cut] {
	case "x", "ext", "extension", "dw", "poste":
	default:
		return 0
	}
	if cut == len(name) {
		for end < len(text) && (text[end] == '.' || text[end] == ' ') && end-word < 14 {
			end++
		}
		from := end
		for end < len(text) && isDigit(text[end]) && end-from < 6 {
			end++
		}
		if end == from {
			return 0
		}
	} else if len(name)-cut > 5 {
		return 0
	}
	if end < len(text) && isAlnum(text[end]) {
		return 0
	}
	return end
}

func sortOfNext(text string) wordSort {
	r, _ := utf8.DecodeRuneInString(text)
	return sortOf(r)
}

// before looks at what stands right before a run.
func (s *scan) before(i int) (byte, int) {
	if i == 0 {
		return 0, 0
	}
	c := s.text[i-1]
	switch {
	case c == '+' || c == '(':
		if c == '(' && i > 1 && s.text[i-2] == '+' {
			return '+', i - 2
		}
		return c, i - 1
	case isLetter(c) || c == '_':
		return 'a', i - 1
	case (c == ',' || c == '.' || c == ':') && i > 1 && isDigit(s.text[i-2]):
		return c, i - 1
	case c == '-' && i > 1 && isAlnum(s.text[i-2]): // part of a code: V-2024-998877
		return 'a', i - 1
	case c == '$' || c == '=' || c == '&' || c == '%':
		return c, i - 1
	case c >= utf8.RuneSelf:
		r, size := utf8.DecodeLastRuneInString(s.text[:i])
		switch {
		case r == '€' || r == '£' || r == '¥':
			return '$', i - size
		case sortOf(r) == letterWord:
			return 'a', i - size
		}
	}
	return 0, i
}

// gap reads what stands between two groups: at most maxGap characters out of a
// few, or one line end with marks of quotation. It gives -1 where the run ends.
func (s *scan) gap(i int) (sign byte, long bool, next int) {
	count := 0
	for i < len(s.text) {
		c := s.text[i]
		size := 1
		switch c {
		case ' ', '-', '.', '/', '_', '(', ')':
		case '\r':
			i++
			continue
		case '\n':
			if sign == '\n' {
				return 0, false, -1
			}
			for i+1 < len(s.text) && (s.text[i+1] == '>' || s.text[i+1] == ' ') {
				i++
				if count++; count > 8 {
					return 0, false, -1
				}
			}
			count = 0
		default:
			if _, digit := digitAt(s.text, i); digit > 0 {
				if sign == 0 {
					return 0, false, -1
				}
				return sign, long, i
			}
			r, n := utf8.DecodeRuneInString(s.text[i:])
			if r != 0xB7 && r != 0x2022 {
				return 0, false, -1
			}
			c, size = '.', n
		}
		if count++; count > maxGap {
			return 0, false, -1
		}
		long = long || sign != 0
		if sign == 0 || c == '\n' || c == '(' || sign == ' ' && c != ' ' {
			sign = c
		}
		i += size
	}
	return 0, false, -1
}

// A window is some neighbouring groups of a run, read as one number.
type window struct {
	run         *run
	from, to    int // groups
	digits      []byte
	start, end  int  // byte offsets
	sign        byte // the one sign between all groups; 0 for one group, '?' for several signs
	lines       bool // a line end stands within
	apart       bool // nothing of the same sort adjoins on either side
	first, last bool // the window begins or ends its run
}

// run tries every window of whole groups.
func (s *scan) run(r *run) {
	for from := range r.groups {
		w := window{run: r, from: from, start: r.at[r.groups[from].first].start, first: from == 0}
		if from == 0 && r.lead == 'a' {
			continue
		}
		for to := from + 1; to <= len(r.groups); to++ {
			g := r.groups[to-1]
			n := g.end - r.groups[from].first
			if n > maxWindow || to-from > 7 && !s.topics.has(aboutCard) { // only cards are written in so many groups
				break
			}
			if to-1 > from {
				sign := g.gap
				if g.gap == '\n' {
					w.lines = true
				}
				switch {
				case w.sign == 0 || w.sign == '\n':
					w.sign = sign
				case sign != w.sign && sign != '\n':
					w.sign = '?'
				}
			}
			w.to, w.last = to, to == len(r.groups)
			w.digits = r.digits[r.groups[from].first:g.end]
			w.end = r.at[g.end-1].end
			if n < leastDigits || w.last && r.tail != 0 {
				continue
			}
			w.apart = s.apart(&w)
			s.window(&w)
		}
	}
}

// apart says whether the window is not part of a longer number: its neighbours,
// if any, are set off by another sign than its own groups are.
func (s *scan) apart(w *window) bool {
	r := w.run
	if w.from == 1 && r.lead == 'a' && r.groups[1].gap != ' ' || w.from == 0 && (r.lead == '.' || r.lead == ',' || r.lead == ':') {
		return false
	}
	for _, neighbour := range [...]int{w.from, w.to} {
		if neighbour == 0 || neighbour >= len(r.groups) {
			continue
		}
		g := r.groups[neighbour]
		switch {
		case g.gap == '\n', g.gapLong, g.gap == '(':
		case g.gap == ' ' && w.sign != ' ' && w.sign != 0:
		case g.gap == ' ' && w.sign == 0 && len(w.digits) >= 9: // two long numbers side by side
		case g.gap == '/' && w.sign != '/' && neighbour == w.to:
		default:
			return false
		}
	}
	return true
}

// shape writes the lengths of the window's groups, "4-4-4-4".
func (w *window) shape() string {
	var b [64]byte
	out := b[:0]
	for i := w.from; i < w.to; i++ {
		if i > w.from {
			out = append(out, '-')
		}
		n := w.run.groups[i].end - w.run.groups[i].first
		if n > 9 {
			out = append(out, '0'+byte(n/10))
		}
		out = append(out, '0'+byte(n%10))
	}
	return string(out)
}

func (w *window) groups() int { return w.to - w.from }

// window asks every sort of number.
func (s *scan) window(w *window) {
	s.card(w)
	s.national(w)
	s.phone(w)
}
