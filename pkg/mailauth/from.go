package mailauth

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/dkim"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// An author is the one mailbox of From, read so strictly that every honest
// reader must see the same, or the reasons why there is not one.
type author struct {
	address     string
	domain      string // A-labels, lower case
	name        string // what From calls the author, decoded
	ambiguities []string
	signs       []string // of impersonation; they decide nothing
}

// readAuthor reads the From fields of a message.
func readAuthor(msg *mail.Message, text *dkim.Text) author {
	var a author
	var from []*mail.Field
	for i := range msg.Header {
		field := &msg.Header[i]
		if dkim.Is(field, "from") {
			from = append(from, field)
		}
		if len(from) > 0 && dkim.Is(field, "from") && text.EndsBare(i) {
			a.ambiguous(FromSmuggled)
		}
	}
	count, codes := fromFields(msg)
	a.ambiguous(codes...)
	if count > len(from) {
		a.ambiguous(FromRepeated) // beyond a limit, or what we take for the body
	}
	switch len(from) {
	case 0:
		a.ambiguous(FromMissing)
		return a
	case 1:
	default:
		a.ambiguous(FromRepeated) // RFC 5322 §3.6
	}
	for i, field := range from {
		one := readFrom(string(field.Value))
		if i == 0 {
			a.address, a.domain, a.name = one.address, one.domain, one.name
		}
		a.ambiguous(one.ambiguities...)
		a.sign(one.signs...)
	}
	if looksLikeRecipients(a.domain, msg.To, msg.Cc) {
		a.sign(DomainLooksLike)
	}
	for _, to := range msg.ReplyTo {
		domain, err := asciiDomain(to.Addr[strings.LastIndexByte(to.Addr, '@')+1:])
		if a.domain != "" && (err != nil || !related(domain, a.domain)) {
			a.sign(ReplyToElsewhere)
			break
		}
	}
	if len(a.ambiguities) == 0 && !seenAlike(msg.From, a.address) {
		a.ambiguous(FromReadersDisagree)
	}
	return a
}

func (a *author) ambiguous(codes ...string) { a.ambiguities = appendNew(a.ambiguities, codes) }
func (a *author) sign(codes ...string)      { a.signs = appendNew(a.signs, codes) }

func appendNew(list, codes []string) []string {
	for _, code := range codes {
		if !slices.Contains(list, code) {
			list = append(list, code)
		}
	}
	return list
}

// seenAlike compares what the reader for people made of From with what was read
// here.
func seenAlike(shown []mail.Address, address string) bool {
	return len(shown) == 1 && strings.EqualFold(shown[0].Addr, address)
}

// readFrom reads the value of one From field.
func readFrom(value string) author {
	var a author
	value = strings.TrimRight(value, "\r\n")
	for _, c := range []struct{ fold, with string }{{"\r\n ", " "}, {"\r\n\t", "\t"}, {"\n ", " "}, {"\n\t", "\t"}} {
		value = strings.ReplaceAll(value, c.fold, c.with)
	}
	switch {
	case strings.IndexByte(value, 0) >= 0:
		a.ambiguous(FromNUL)
	case strings.ContainsAny(value, "\r\n"):
		a.ambiguous(FromBareLineBreak)
	case strings.IndexFunc(value, isControl) >= 0:
		a.ambiguous(FromControl)
	}
	p := &addressParser{s: value}
	boxes := p.list()
	a.ambiguous(p.problems...)
	if len(boxes) == 0 {
		a.ambiguous(FromEmpty)
		return a
	}
	if len(boxes) > 1 {
		a.ambiguous(FromSeveral)
	}
	box := boxes[0]
	a.address = box.local + "@" + box.domain
	if box.local == "" && box.domain == "" {
		a.address = ""
	}
	a.readDomain(box)
	a.readName(box)
	return a
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// readDomain turns the domain into A-labels and refuses what readers could see
// otherwise.
func (a *author) readDomain(box mailbox) {
	switch {
	case !utf8.ValidString(box.local) || !utf8.ValidString(box.domain):
		a.ambiguous(FromEncoding) // RFC 6532 §3.2
		return
	case hasEncodedWord(box.local) || hasEncodedWord(box.domain):
		a.ambiguous(FromEncodedWord) // RFC 2047 §5: never in an addr-spec
		return
	case box.local == "" || box.domain == "":
		a.ambiguous(FromEmpty)
		return
	case strings.IndexFunc(box.local+box.domain, isUnseen) >= 0:
		a.ambiguous(FromControl) // another address looks the same
		return
	case strings.HasPrefix(box.domain, "["):
		a.sign(FromDomainLiteral)
		return
	case strings.ContainsAny(norm.NFKC.String(box.local), "@<>,;:\\\" \t"):
		a.ambiguous(FromQuotedLocal)
	}
	if otherwiseWritten(box.local) {
		a.ambiguous(FromReadersDisagree)
	}
	if mixed(box.local) {
		a.sign(AddressMixedScripts)
	}
	ascii, err := asciiDomain(box.domain)
	if err != nil {
		a.ambiguous(FromDomainMalformed)
		return
	}
	a.domain = ascii
	if mixesScripts(ascii) {
		a.sign(DomainMixedScripts)
	}
}

// mixesScripts reports whether a label of an A-label domain mixes Latin with a
// script that has letters of the same look (UTS #39 §5.1).
func mixesScripts(domain string) bool {
	if !strings.Contains(domain, "xn--") {
		return false
	}
	shown, err := idna.Display.ToUnicode(domain)
	if err != nil {
		return true // not what anybody can show
	}
	return slices.ContainsFunc(strings.Split(shown, "."), mixed)
}

// mixed reports whether a word mixes Latin with a script that has letters of the same look.
func mixed(word string) bool {
	latin, alike := false, false
	for _, r := range word {
		latin = latin || unicode.Is(unicode.Latin, r)
		alike = alike || unicode.In(r, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee)
	}
	return latin && alike
}

// otherwiseWritten reports whether some readers take a word for another: letters that are forms of
// other letters (UAX #15, compatibility; a Kelvin sign is a K). How accents are put together is no matter.
func otherwiseWritten(word string) bool {
	composed := norm.NFC.String(word)
	return norm.NFKC.String(word) != composed || len(composed) != len(word) && isASCII(composed)
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

// isUnseen: controls, and format characters and others that have no width of their own
// (Default_Ignorable_Code_Point).
func isUnseen(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// asciiDomain gives the A-label form (RFC 5891). A domain that changes its number
// of labels by that is read differently by those who do not convert.
func asciiDomain(domain string) (string, error) {
	domain = strings.TrimSuffix(domain, ".")
	// Each letter becomes at least one octet of at most 253 (RFC 1035 §2.3.4). Conversion
	// takes the square of the length, so a stranger must not choose it.
	if utf8.RuneCountInString(domain) > 253 {
		return "", dns.ErrBadName
	}
	ascii := strings.ToLower(domain)
	if strings.IndexFunc(domain, func(r rune) bool { return r >= 0x80 }) >= 0 {
		converted, err := idna.Lookup.ToASCII(domain)
		if err != nil {
			return "", err
		}
		if strings.Count(converted, ".") != strings.Count(domain, ".") {
			return "", dns.ErrBadName
		}
		ascii = converted
	}
	for i := 0; i < len(ascii); i++ {
		if c := ascii[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_') {
			return "", dns.ErrBadName
		}
	}
	return ascii, dns.CheckName(ascii)
}

func hasEncodedWord(s string) bool {
	start := strings.Index(s, "=?")
	return start >= 0 && strings.Contains(s[start:], "?=")
}
