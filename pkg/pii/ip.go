package pii

import (
	"net/netip"
	"strings"
)

// addresses finds IP addresses, with their prefix length where one follows
// (RFC 4291 §2.2, RFC 4632).
func (s *scan) addresses() {
	text := s.text
	for i := 0; i < len(text); {
		if byteClass[text[i]]&isAddressClass == 0 || text[i] == '.' {
			i++
			continue
		}
		end := i
		for end < len(text) && byteClass[text[end]]&isHexClass != 0 {
			end++
		}
		colons, dots := 0, 0
		for end < len(text) && byteClass[text[end]]&isAddressClass != 0 {
			switch text[end] {
			case ':':
				colons++
			case '.':
				dots++
			}
			end++
		}
		if colons >= 2 || dots >= 3 {
			s.address(i, end, colons)
		}
		i = end
	}
}

// address looks for an address in a stretch of hexadecimal digits, colons and dots.
func (s *scan) address(start, end, colons int) {
	text := s.text
	if end-start > 64 {
		return
	}
	joined := start > 0 && (isAlnum(text[start-1]) || text[start-1] == '_' || text[start-1] >= 0x80 && sortOf(rune(text[start-1])) == letterWord)
	tailed := end < len(text) && (isAlnum(text[end]) || text[end] == '_')
	stretch := text[start:end]
	if tailed {
		return
	}
	if joined || colons < 2 {
		s.dotted(start, end, joined)
		return
	}
	for _, cut := range []string{stretch, strings.TrimRight(stretch, "."), strings.TrimRight(stretch, ".:"), strings.TrimLeft(stretch, ":"), strings.Trim(stretch, ".:")} {
		addr, err := netip.ParseAddr(cut)
		if err != nil || !addr.Is6() {
			continue
		}
		at := start + strings.Index(stretch, cut)
		to := s.prefixLength(at+len(cut), 128)
		if addr.IsUnspecified() && to == at+len(cut) && !s.near(aboutIP, at, to, 24, 0) {
			return
		}
		s.add(IP, at, to)
		return
	}
	// Four numbers with a colon before them: an IPv4 tail of something that is
	// no IPv6 address, unless a number is out of range.
	if at := strings.LastIndexByte(stretch, ':'); at >= 0 && strings.Count(stretch, "::") == 0 {
		s.dotted(start+at+1, end, false)
	}
}

// dotted looks for four numbers with dots between.
func (s *scan) dotted(start, end int, joined bool) {
	text := s.text
	if joined { // only behind a colon can a new address begin
		at := strings.LastIndexByte(text[start:end], ':')
		if at < 0 {
			return
		}
		start += at + 1
	}
	if at := strings.IndexByte(text[start:end], ':'); at >= 0 { // a port
		end = start + at
	}
	cut := strings.TrimRight(text[start:end], ".")
	addr, err := netip.ParseAddr(cut)
	if err != nil || !addr.Is4() || start > 0 && text[start-1] == '.' {
		return
	}
	if before := text[max(0, start-2):start]; strings.HasSuffix(before, "v") || strings.HasSuffix(before, "V") || strings.HasSuffix(before, "-") || strings.HasSuffix(before, "/") && !strings.HasSuffix(before, "//") {
		return
	}
	if s.near(aboutVersion, start, end, 6, 0) || s.inURLPath(start) {
		return
	}
	if end < len(text) && text[end] == '-' && end+1 < len(text) && isAlnum(text[end+1]) {
		return
	}
	s.add(IP, start, s.prefixLength(start+len(cut), 32))
}

func (s *scan) inURLPath(start int) bool {
	return s.inURL(start) && !(start >= 3 && s.text[start-3:start] == "://") && s.text[start-1] != '@' && s.text[start-1] != '=' && s.text[start-1] != '|'
}

// prefixLength extends an address by "/24" where that is a prefix length.
func (s *scan) prefixLength(end, limit int) int {
	if end >= len(s.text) || s.text[end] != '/' {
		return end
	}
	value, to := readNumber(s.text, end+1)
	if to == end+1 || to-end > 4 || value > limit || to < len(s.text) && isAlnum(s.text[to]) {
		return end
	}
	return to
}
