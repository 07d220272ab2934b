package mail

import (
	"strings"
	"unicode"
)

// describe reads from a part's header what the part is.
func (p *parser) describe(part *Part, h Header, defaultType string) {
	part.Header = h
	for i := range h { // each is read twice at most
		if isStructural(h[i].Name) {
			p.spend(2 * len(h[i].Value))
			p.keep(len(h[i].Value))
		}
	}
	p.contentType(part, defaultType)
	disposition := p.disposition(part)
	p.filename(part, disposition)
	p.encoding(part)
	if id := h.Get("Content-ID"); id != "" {
		part.ContentID = firstID(id)
	}
}

// describeAgain moves what was noted of a part to the path that it got since.
func (p *parser) describeAgain(old string, part *Part) {
	for _, code := range part.Ambiguous {
		p.defect(code, part.Path)
	}
}

// field gives the one field of that name which counts, the first, and marks the
// part where there are several.
func (p *parser) field(part *Part, name, code string) (Field, bool) {
	var found Field
	ok := false
	for i := range part.Header {
		f := part.Header[i]
		if !sameName(f.Name, name) {
			continue
		}
		switch {
		case !ok:
			found, ok = f, true
		case sameValue(f, found):
			p.doubt(part, "duplicate_"+code)
		default:
			p.doubt(part, "conflicting_"+code)
		}
	}
	return found, ok
}

func sameValue(a, b Field) bool {
	return strings.EqualFold(strings.Join(strings.Fields(a.Text()), " "), strings.Join(strings.Fields(b.Text()), " "))
}

func (p *parser) contentType(part *Part, defaultType string) {
	part.Type, part.Params = defaultType, map[string]string{}
	f, ok := p.field(part, "Content-Type", "content_type")
	if !ok || len(strings.TrimSpace(f.Text())) == 0 {
		return
	}
	s := parseStructured(f.Value, p.lim.Params)
	if s.cut {
		p.doubt(part, "parameter_limit")
	}
	main, sub, hasSub := strings.Cut(s.value, "/")
	switch {
	case hasSub && main != "" && sub != "" && isToken(main) && isToken(sub):
		part.Type = s.value
	case s.value == "text" || s.value == "text/": // what Sun's mailers and their heirs write
		part.Type = "text/plain"
		p.defect("bad_content_type", part.Path)
	default: // RFC 2045 §5.2: what cannot be read is text/plain
		part.Type = "text/plain"
		p.doubt(part, "bad_content_type")
	}
	names := map[string]bool{}
	for _, raw := range s.params {
		name, _, _ := strings.Cut(raw.name, "*")
		if names[name] || name == "" {
			continue
		}
		names[name] = true
		v := s.lookup(name)
		if !v.set {
			continue
		}
		p.issues += v.issues
		part.Params[name] = v.text
		switch {
		case name == "boundary":
			p.oddBoundary(part, v)
		case v.repeated && (name == "name" || name == "charset" && strings.HasPrefix(part.Type, "text/")):
			p.doubt(part, "conflicting_parameter")
		case v.repeated:
			p.defect("conflicting_parameter", part.Path)
		}
	}
	part.Charset = strings.ToLower(strings.TrimSpace(part.Params["charset"]))
	switch {
	case s.junk && part.IsMultipart(): // to strict readers it is no multipart, or has another boundary
		p.doubt(part, "bad_parameter")
	case s.junk:
		p.defect("bad_parameter", part.Path)
	}
	if s.blanks && part.Type != "text/plain" {
		p.doubt(part, "blank_in_content_type")
	}
	if s.comment && part.Type != "text/plain" {
		p.doubt(part, "comment_in_content_type")
	}
}

// oddBoundary notes what makes readers take different boundaries from one field.
func (p *parser) oddBoundary(part *Part, v value) {
	if !part.IsMultipart() {
		return
	}
	text := v.text
	switch {
	case v.repeated, v.hasPlain && v.plain != text:
		p.doubt(part, "conflicting_boundary")
	case v.odd != "", v.extended:
		p.doubt(part, "odd_boundary")
	case strings.ContainsAny(text, ";\"\\"), strings.Contains(text, "=?") && DecodeWords(text) != text:
		p.doubt(part, "odd_boundary")
	case v.first != "" && v.first != text, strings.HasSuffix(text, " "), strings.HasPrefix(text, " "):
		p.doubt(part, "odd_boundary")
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }):
		p.doubt(part, "odd_boundary")
	case len(text) > 70: // RFC 2046 §5.1.1
		p.defect("long_boundary", part.Path)
	}
	// RFC 2046 §5.1.1: a boundary does not end with white space.
	part.Params["boundary"] = strings.TrimRight(text, " \t")
}

func (p *parser) encoding(part *Part) {
	part.Encoding = "7bit"
	f, ok := p.field(part, "Content-Transfer-Encoding", "content_transfer_encoding")
	if !ok {
		return
	}
	s := parseStructured(f.Value, p.lim.Params)
	name := strings.Trim(s.value, `"'`)
	if s.comment {
		p.doubt(part, "comment_in_content_transfer_encoding")
	}
	if name == "" {
		return
	}
	if text := f.Text(); DecodeWords(text) != text {
		p.doubt(part, "odd_content_transfer_encoding")
	}
	if !isIdentity(name) && !strings.EqualFold(f.Text(), name) { // strict readers compare the whole value
		p.doubt(part, "odd_content_transfer_encoding")
	}
	part.Encoding = name
	switch name {
	case "7bit", "8bit", "binary", "base64", "quoted-printable":
	case "x-uuencode", "uuencode", "x-uue", "x-yencode":
	case "7-bit":
		part.Encoding = "7bit"
	case "8-bit":
		part.Encoding = "8bit"
	case "base-64", "b64", "quoted/printable", "quotedprintable", "qp", "quoted_printable":
		part.Encoding = map[bool]string{true: "base64", false: "quoted-printable"}[name[0] == 'b']
		p.doubt(part, "unknown_encoding")
	default:
		p.defect("unknown_encoding", part.Path)
		// RFC 2045 §6.4: unreadable but for those who ignore the name. Text is shown as it stands.
		for _, known := range []string{"base64", "quoted-printable", "uuencode"} {
			if strings.Contains(name, known) {
				p.doubt(part, "unknown_encoding")
				part.Encoding = known
			}
		}
		if part.Encoding == name && !part.isShown() && !part.IsMultipart() {
			p.doubt(part, "unknown_encoding")
		}
	}
}

func (p *parser) disposition(part *Part) structured {
	f, ok := p.field(part, "Content-Disposition", "content_disposition")
	if !ok {
		return structured{}
	}
	s := parseStructured(f.Value, p.lim.Params)
	if s.cut {
		p.doubt(part, "parameter_limit")
	}
	switch {
	case s.value == "inline":
		part.Disposition = "inline"
	case strings.Contains(s.value, "="): // "filename=x" with the word left out
		s = parseStructured(append([]byte(";"), f.Value...), p.lim.Params)
		p.defect("bad_content_disposition", part.Path)
		part.Disposition = "attachment"
	case s.value != "": // RFC 2183 §2.8: unknown ones are attachments
		part.Disposition = "attachment"
	}
	return s
}

// filename chooses among the names that a part gives itself.
func (p *parser) filename(part *Part, disposition structured) {
	here := disposition.lookup("filename")
	there, kind := value{}, structured{}
	if f, ok := first(part.Header, "Content-Type"); ok {
		kind = parseStructured(f.Value, p.lim.Params)
		there = kind.lookup("name")
	}
	a, b := p.nameOf(part, here), p.nameOf(part, there)
	if a != "" && disposition.dotted { // "filename=a;b.exe": the name may go on
		p.doubt(part, "odd_filename")
	}
	if a == "" {
		a = b
	}
	if a != "" && b != "" && differInKind(a, b) {
		p.doubt(part, "conflicting_filename")
	}
	part.Filename = a
	p.doubtUnseenNames(part, "Content-Disposition", disposition)
	p.doubtUnseenNames(part, "Content-Type", kind)
}

// doubtUnseenNames marks a part where a field holds what is no name by its grammar and is one, of
// another kind, to readers who search the field for it.
func (p *parser) doubtUnseenNames(part *Part, field string, seen structured) {
	f, ok := first(part.Header, field)
	if !ok {
		return
	}
	p.spend(2 * len(f.Value))
	for _, name := range searchNames(f.Value) {
		handled := false
		for _, param := range seen.params {
			handled = handled || isNamePiece(param.name) && strings.HasPrefix(param.value, name)
		}
		if decoded, _ := decodeText(name); !handled && extension(decoded) != "" && differInKind(decoded, part.Filename) {
			p.doubt(part, "odd_filename")
			return
		}
	}
}

// nameOf decodes one name and marks the part where it can be read in two ways
// that matter: another extension is another kind of file.
func (p *parser) nameOf(part *Part, v value) string {
	if !v.set {
		return ""
	}
	p.issues += v.issues
	name, n := decodeText(v.text)
	p.issues += n
	if v.repeated {
		p.doubt(part, "conflicting_filename")
	}
	if v.hasPlain && v.text != v.plain {
		plain, _ := decodeText(v.plain)
		// A plain name beside the extended one is the fall-back for old readers: it
		// may lack what ASCII lacks, and nothing else.
		if differInKind(plain, name) || plain != name && isASCII(name) {
			p.doubt(part, "conflicting_filename")
		}
	}
	if v.first != "" && strings.Contains(v.first, ".") && differInKind(v.first, v.text) {
		p.doubt(part, "odd_filename")
	}
	switch v.odd {
	case "unterminated_quote", "text_after_quotes", "quote_inside", "gap", "bad_piece", "quoted_extended":
		p.doubt(part, "odd_filename")
	case "quoted_pair", "special_without_quotes": // RFC 5322 §3.2.1 drops the backslash, readers of paths keep it
		if differInKind(strings.ReplaceAll(v.text, `\`, ""), v.text) {
			p.doubt(part, "odd_filename")
		}
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		p.doubt(part, "odd_filename")
	}
	if unescaped := string(percentDecode(name)); differInKind(unescaped, name) { // as some readers do with every name
		p.doubt(part, "odd_filename")
	}
	return name
}

// differInKind says whether two names have different extensions.
func differInKind(a, b string) bool {
	return !strings.EqualFold(extension(a), extension(b))
}

func extension(name string) string {
	name = strings.TrimRight(name, " .\t/\\<>\"'?*|") // which no file's name ends with
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return ""
	}
	return name[i:]
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func first(h Header, name string) (Field, bool) {
	for i := range h {
		if sameName(h[i].Name, name) {
			return h[i], true
		}
	}
	return Field{}, false
}
