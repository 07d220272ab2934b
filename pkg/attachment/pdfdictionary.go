package attachment

import "bytes"

// pdfRemarkBytes is how far before the keyword of a stream a dictionary is looked for that nobody began.
const pdfRemarkBytes = 1024

// A pdfBegun is a stream that begins at a keyword, by the dictionary that ends before it.
type pdfBegun struct {
	pdfStream
	unclear bool // there is another, it may stand in a text or a remark, or no writer writes it so
}

// headings reads the dictionaries of all objects that begin before a place. Each is read once.
func (p *pdfStreams) headings(until int) {
	for {
		i := bytes.Index(p.b[p.read:until], []byte("obj"))
		if i < 0 {
			p.read = max(p.read, until-len("ob"))
			return
		}
		at := p.read + i
		p.read = at + len("obj")
		if p.overlap() || bytes.HasSuffix(p.b[:at], []byte("end")) {
			continue
		}
		l := pdfLexer{b: p.b, at: p.read}
		s, is, whole := describePDFStream(&l)
		p.work += l.at - at
		if is && l.stream > 0 { // within a dictionary that goes on, and perhaps not for everybody
			p.begun[l.stream] = pdfBegun{unclear: true}
		}
		if whole && bytes.HasPrefix(p.b[l.at:], []byte("stream")) {
			var known bool
			s.object, s.generation, known = pdfHeading(p.b[max(0, at-pdfHeadingBytes):at])
			_, again := p.begun[l.at]
			p.begun[l.at] = pdfBegun{s, again || l.odd || !known || at < p.within}
		}
		if is {
			p.within = max(p.within, l.at)
		}
	}
}

// describe tells what the stream at a keyword is. ok is false where the word stands in a text.
func (p *pdfStreams) describe(keyword int) (s pdfStream, ok bool) {
	p.headings(keyword)
	begun, known := p.begun[keyword]
	delete(p.begun, keyword)
	if known && !begun.unclear {
		return begun.pdfStream, true
	}
	if !known && !mayEndDictionary(p.b[max(0, keyword-pdfRemarkBytes):keyword]) {
		return s, false
	}
	return pdfStream{objects: true, hidden: true, length: -1}, true
}

// mayEndDictionary tells whether a dictionary may end a text, with nothing but white space and remarks behind it.
func mayEndDictionary(before []byte) bool {
	for range 8 {
		before = bytes.TrimRight(before, pdfSpace)
		if bytes.HasSuffix(before, []byte(">>")) {
			return true
		}
		begin := bytes.LastIndexAny(before, "\r\n") + 1
		line := before[begin:]
		i := bytes.IndexByte(line, '%')
		if i < 0 {
			return false
		}
		for ; i >= 0 && i < len(line); i++ {
			if line[i] == '%' && bytes.HasSuffix(bytes.TrimRight(line[:i], pdfSpace), []byte(">>")) {
				return true
			}
		}
		if bytes.TrimLeft(line, pdfSpace)[0] != '%' {
			return false
		}
		before = before[:begin]
	}
	return true
}

// describePDFStream reads the dictionary of a stream, where one is, and passes over what may follow it. whole is
// whether it ends.
func describePDFStream(l *pdfLexer) (s pdfStream, is, whole bool) {
	s.length, s.columns, s.pixel = -1, 1, 1
	if l.next().kind != pdfOpenDictionary {
		return s, false, false
	}
	rows := pdfRows{bits: 8, colors: 1}
	told := map[string]bool{}
	for {
		t := l.next()
		switch t.kind {
		case pdfEndToken:
			return s, true, false
		case pdfCloseDictionary:
			s.objects = s.objects || told["N"] && told["First"] // whatever its type is written as
			s.odd = told["F"] || told["DP"] && told["DecodeParms"] || rows.predictor > 1 && !rows.plain(&s)
			rows.settle(&s)
			l.pass()
			return s, true, true
		case pdfNameToken:
			key, before := t.text, l.at
			if t = l.next(); t.kind == pdfCloseDictionary {
				l.at, l.odd = before, true // a value that is missing
				continue
			}
			s.entry(key, t, l, &rows, told[key])
			told[key] = true
		}
	}
}

// entry reads the value of a key that begins with a token.
func (s *pdfStream) entry(key string, t pdfToken, l *pdfLexer, rows *pdfRows, again bool) {
	switch t.text {
	case "ObjStm":
		s.objects = true
	case "EmbeddedFile":
		s.file = true
	case "Image":
		s.picture = true
	}
	_, elsewhere := l.reference(t)
	number := 0
	if t.kind == pdfIntegerToken && !elsewhere {
		number = t.number
	}
	switch key {
	case "Filter":
		s.hidden, rows.ofList = s.hidden || again, rows.ofList != (t.kind == pdfOpenList)
		l.each(t, func(t pdfToken) {
			if t.kind == pdfNameToken {
				s.filters = append(s.filters, t.text)
			} else if t.text != "null" {
				s.hidden = true
			}
		})
		return
	case "DecodeParms", "DP":
		s.hidden, rows.ofList = s.hidden || again, rows.ofList != (t.kind == pdfOpenList)
		l.each(t, func(t pdfToken) {
			if t.kind == pdfOpenDictionary {
				s.hidden = !rows.read(l) || s.hidden
			} else if t.text != "null" {
				s.hidden = true
			}
		})
		return
	case "Width":
		s.width = number
	case "Height":
		s.height = number
	case "ImageMask":
		if t.text != "false" {
			s.bits = 1
		}
	case "BitsPerComponent":
		if s.bits == 0 {
			s.bits = number
		}
	case "First":
		if s.first = number; again {
			s.first = 0
		}
	case "Length":
		if s.length = -1; !elsewhere && !again && t.kind == pdfIntegerToken {
			s.length = number
		}
	}
	l.skip(t)
}

// pdfRows are how the rows of a stream are made that a predictor was at (§7.4.4.4).
type pdfRows struct {
	predictor, columns, colors, bits int
	ofList                           bool // of filters and parameters one is a list, and one is none
}

// plain tells whether all readers undo a predictor alike: one of PNG, of whole bytes, behind one filter.
func (r *pdfRows) plain(s *pdfStream) bool {
	if len(s.filters) != 1 || r.ofList || r.predictor < 10 || r.bits != 8 {
		return false
	}
	switch s.filters[0] {
	case "FlateDecode", "Fl", "LZWDecode", "LZW":
		return true
	}
	return false
}

// read reads them behind the beginning of a dictionary; false where one stands elsewhere or nobody knows it.
func (r *pdfRows) read(l *pdfLexer) (ok bool) {
	for ok = true; ; {
		t := l.next()
		switch t.kind {
		case pdfEndToken, pdfCloseDictionary:
			return ok
		case pdfNameToken:
			key := t.text
			t = l.next()
			_, elsewhere := l.reference(t)
			var into *int
			switch key {
			case "Predictor":
				into = &r.predictor
			case "Columns":
				into = &r.columns
			case "Colors":
				into = &r.colors
			case "BitsPerComponent":
				into = &r.bits
			case "EarlyChange":
				ok = ok && t.number == 1 && !elsewhere
			}
			if into != nil {
				ok = ok && t.kind == pdfIntegerToken && !elsewhere
				*into = t.number
			}
			l.skip(t)
		}
	}
}

// settle says what follows for a stream.
func (r *pdfRows) settle(s *pdfStream) {
	s.predictor = r.predictor
	columns := max(r.columns, 1)
	if r.colors > 0 && r.colors <= 32 && r.bits > 0 && r.bits <= 16 && columns < 1<<20 {
		s.columns, s.pixel = (r.colors*r.bits*columns+7)/8, max(1, r.colors*r.bits/8)
	} else if r.predictor > 1 {
		s.hidden = true
	}
}
