package attachment

import (
	"bytes"
	"html"
	"strings"
)

// redirects tells whether a page sends its reader elsewhere without a script: by <meta http-equiv=refresh>, to an address that is not of the page's own
// place, or by a frame that shows a page of another one. A page that is written so that looking for it has no end is taken for one.
func redirects(page []byte) bool {
	left := 4*len(page) + 64<<10 // bytes that are read: elements may begin in one another
	based, away := false, false
	elements(page, "base", &left, func(base map[string]string) {
		based = based || leadsAway(base["href"])
	})
	elements(page, "meta", &left, func(meta map[string]string) {
		if meta["http-equiv"] == "refresh" {
			to := refreshed(meta["content"])
			away = away || leadsAway(to) || based && to != ""
		}
	})
	frames(page, &left, func(address string) {
		away = away || leadsToHost(address) || based && address != "" && !leadsAway(address)
	})
	return away || left < 0
}

// frames visits the addresses of the frames in a page, and of what is shown as they are.
func frames(page []byte, left *int, visit func(address string)) {
	for _, name := range []string{"iframe", "frame", "embed", "object"} {
		elements(page, name, left, func(frame map[string]string) {
			if name == "object" {
				visit(frame["data"])
			} else {
				visit(frame["src"])
			}
		})
	}
}

// framesData tells whether a frame shows what stands in its address, and that is no picture.
func framesData(page []byte) bool {
	left, found := 4*len(page)+64<<10, false
	frames(page, &left, func(address string) {
		kind, ok := strings.CutPrefix(cleaned(address), "data:")
		found = found || ok && (!strings.HasPrefix(kind, "image/") || strings.HasPrefix(kind, "image/svg"))
	})
	return found
}

// refreshed is the address in the content of a refresh, "" for the page itself: behind
// a number of seconds, with or without "url=" (HTML, shared declarative refresh steps).
func refreshed(content string) string {
	b := bytes.TrimLeft([]byte(content), " \t\r\n\f0123456789.")
	b = bytes.TrimLeft(b, " \t\r\n\f;,")
	if rest, ok := bytes.CutPrefix(b, []byte("url")); ok {
		if rest = bytes.TrimLeft(rest, " \t\r\n\f"); len(rest) > 0 && rest[0] == '=' {
			b = bytes.TrimLeft(rest[1:], " \t\r\n\f")
		}
	}
	if len(b) > 0 && (b[0] == '"' || b[0] == '\'') {
		b, _, _ = bytes.Cut(b[1:], b[:1])
	}
	return string(b)
}

// cleaned drops what a browser passes over in an address (URL, basic URL parser).
func cleaned(address string) string {
	address = strings.Map(func(r rune) rune {
		switch r {
		case '\t', '\r', '\n':
			return -1
		case '\\':
			return '/'
		}
		return r
	}, address)
	return strings.TrimLeftFunc(address, func(r rune) bool { return r <= ' ' })
}

// leadsToHost tells whether an address is of a web site.
func leadsToHost(address string) bool {
	address = cleaned(address)
	for _, begin := range []string{"//", "http:", "https:", "ftp:"} {
		if strings.HasPrefix(address, begin) {
			return true
		}
	}
	return false
}

// leadsAway tells whether an address has a scheme or a host (URL, basic URL parser).
func leadsAway(address string) bool {
	b := cleaned(address)
	if strings.HasPrefix(b, "//") {
		return true
	}
	for i, c := range []byte(b) {
		switch {
		case c >= 'a' && c <= 'z':
		case i > 0 && (c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return i > 0 && c == ':'
		}
	}
	return false
}

// elements visits the attributes of all elements of a name, with a prefix or without,
// wherever they stand. It ends when left is used up.
func elements(page []byte, name string, left *int, visit func(attributes map[string]string)) {
	for i, c := range page {
		begin := i + 1 + len(name)
		if c != '<' && c != ':' || begin >= len(page) || !bytes.EqualFold(page[i+1:begin], []byte(name)) {
			continue
		}
		if !isBlank(page[begin]) && page[begin] != '/' {
			continue
		}
		attributes, n := attributesOf(page[begin:])
		if *left -= n; *left < 0 {
			return
		}
		visit(attributes)
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' }

// telling are the attributes by which a page does something.
var telling = map[string]bool{"http-equiv": true, "content": true, "href": true, "src": true, "data": true, "type": true}

// attributesOf reads those attributes of an element up to its end, and tells how many
// bytes that were; of two of a name the first counts (HTML, attribute name state).
func attributesOf(b []byte) (map[string]string, int) {
	attributes, at := map[string]string{}, 0
	until := func(ends string) []byte {
		begin := at
		for at < len(b) && bytes.IndexByte([]byte(ends), b[at]) < 0 {
			at++
		}
		return b[begin:at]
	}
	blanks := func(more byte) {
		for at < len(b) && (isBlank(b[at]) || b[at] == more) {
			at++
		}
	}
	for {
		blanks('/')
		if at >= len(b) || b[at] == '>' {
			return attributes, at
		}
		begin := at
		at++ // whatever begins a name, be it "="
		until(" \t\r\n\f/>=")
		name := strings.ToLower(string(b[begin:at]))
		blanks(' ')
		var value []byte
		if at < len(b) && b[at] == '=' {
			at++
			blanks(' ')
			if at < len(b) && (b[at] == '"' || b[at] == '\'') {
				quote := string(b[at])
				at++
				value = until(quote)
				at = min(at+1, len(b))
			} else {
				value = until(" \t\r\n\f>")
			}
		}
		if _, have := attributes[name]; !have && telling[name] {
			attributes[name] = strings.ToLower(html.UnescapeString(string(value)))
		}
	}
}
