package sanitize

import (
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/attachment"
	reader "github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// What a stranger who owns evil.example can do about the author of a mail who wants to be taken
// for info@bank.example. The server that delivers is evil.example's own, which DMARC passes; the
// bank asks everybody to refuse what it did not send.
const (
	bank = "info@bank.example"
	evil = "x@evil.example"
)

// What is to come of a variant.
const (
	ambiguous = "ambiguous" // two honest readers could see different authors
	theirs    = "theirs"    // every reader sees evil.example, which is who it is
	posing    = "posing"    // the same, under a name that is told to be another's
	nobodys   = "nobodys"   // one author, whom nobody vouches for
)

func theAuthors() []struct{ name, header, want string } {
	type variant = struct{ name, header, want string }
	var all []variant
	field := func(want, value string) {
		all = append(all, variant{value, "From: " + value + "\r\n", want})
	}
	header := func(want, text string) { all = append(all, variant{text, text, want}) }

	// Fields: several, hidden, at odd places (RFC 5322 §3.6, §4.5).
	header(ambiguous, "From: "+bank+"\r\nFrom: "+evil+"\r\n")
	header(ambiguous, "From: "+evil+"\r\nFrom: "+bank+"\r\n")
	header(ambiguous, "FROM: "+bank+"\r\nfrom: "+evil+"\r\n")
	header(ambiguous, "From : "+bank+"\r\nFrom: "+evil+"\r\n")
	header(ambiguous, "From: "+evil+"\r\nFrom : "+bank+"\r\n")
	header(ambiguous, "From : "+evil+"\r\n")
	header(ambiguous, "From\t: "+bank+"\r\nFrom: "+evil+"\r\n")
	header(ambiguous, " From: "+bank+"\r\nFrom: "+evil+"\r\n")
	header(ambiguous, "\tFrom: "+bank+"\r\nFrom: "+evil+"\r\n")
	header(theirs, "From: "+evil+"\r\nComments: x\r\n From: "+bank+"\r\n")
	header(ambiguous, "Fr\x00om: "+bank+"\r\nFrom: "+evil+"\r\n")
	header(ambiguous, "From\x00: "+bank+"\r\nFrom: "+evil+"\r\n")
	header(ambiguous, "\x00From: "+bank+"\r\nFrom: "+evil+"\r\n")
	header(ambiguous, "\ufeffFrom: "+bank+"\r\nFrom: "+evil+"\r\n")
	header(ambiguous, "From: "+evil+"\r\n\ufeffFrom: "+bank+"\r\n")
	header(ambiguous, "From: "+evil+"\r\n\u200bFrom: "+bank+"\r\n")
	header(ambiguous, "From: "+evil+"\r\nFrom\u00a0: "+bank+"\r\n")
	header(ambiguous, "From: "+evil+"\r\nFrom\xa0: "+bank+"\r\n")
	header(ambiguous, ">From: "+bank+"\r\nFrom: "+evil+"\r\n")
	header(ambiguous, "X-A: a\rFrom: "+bank+"\r\nFrom: "+evil+"\r\n")
	header(ambiguous, "X-A: a\nFrom: "+bank+"\r\nFrom: "+evil+"\r\n")
	header(ambiguous, "From: "+evil+"\r\nX-A: a\n\nFrom: "+bank+"\r\n")
	header(ambiguous, "From: "+evil+"\r\nX-A: a\r\rFrom: "+bank+"\r\n")
	header(ambiguous, "From: "+evil+"\r\nX-A: a\r\r\nFrom: "+bank+"\r\n")
	header(ambiguous, "From: "+evil+"\r\nX-A: a\n\rFrom: "+bank+"\r\n")
	for _, end := range []string{"\v", "\f", "\x1c", "\x1d", "\x1e", "\u0085", "\u2028", "\u2029"} {
		header(ambiguous, "From: "+evil+"\r\nX-A: a"+end+"From: "+bank+"\r\n")
	}
	header(ambiguous, "From: "+evil+"\r\nno field\r\nFrom: "+bank+"\r\n")
	header(ambiguous, "From: "+evil+"\r\nno field\r\nUnknown-Field: x\r\nFrom: "+bank+"\r\n")
	header(ambiguous, "From: "+evil+"\r\n \r\nFrom: "+bank+"\r\n")
	header(ambiguous, "From: "+evil+"\r\n"+strings.Repeat("X-A: b\r\n", 5000)+"From: "+bank+"\r\n")
	header(ambiguous, "From: "+evil+"\r\n"+strings.Repeat("X-A: "+strings.Repeat("c", 900)+"\r\n", 2000)+"From: "+bank+"\r\n")
	header(theirs, "From "+bank+" Sat Nov 21 11:59:00 2026\r\nFrom: "+evil+"\r\n")
	header(theirs, "X-From: "+bank+"\r\nFrom: "+evil+"\r\n")

	// Other fields that name somebody (RFC 5322 §3.6.2, §3.6.6).
	header(theirs, "From: "+evil+"\r\nSender: "+bank+"\r\n")
	header(theirs, "From: "+evil+"\r\nResent-From: "+bank+"\r\nResent-Sender: "+bank+"\r\n")
	header(ambiguous, "Sender: "+evil+"\r\n")
	header(ambiguous, "Resent-From: "+evil+"\r\n")
	header(ambiguous, "From: \r\nSender: "+evil+"\r\n")
	header(ambiguous, "From:\r\n")

	// One field: several mailboxes, groups, nobody (RFC 5322 §3.4, RFC 6854).
	field(theirs, evil)
	field(theirs, "Anna <"+evil+">")
	field(theirs, strings.ToUpper(evil))
	field(ambiguous, "<>")
	field(ambiguous, "Bank")
	field(ambiguous, bank+", "+evil)
	field(ambiguous, evil+", "+bank)
	field(ambiguous, evil+","+strings.Repeat("a@evil.example,", 150)+bank)
	field(ambiguous, "<"+bank+"> <"+evil+">")
	field(ambiguous, "<"+evil+"> <"+bank+">")
	field(ambiguous, evil+"; "+bank)
	field(ambiguous, "bank: "+evil+";")
	field(ambiguous, "g: "+evil+", "+bank+";")
	field(ambiguous, "undisclosed:;")
	field(ambiguous, "g:; "+evil)
	field(ambiguous, bank+": "+evil+";")
	field(ambiguous, "Bank, Inc <"+evil+">")
	field(ambiguous, bank+", Inc <"+evil+">")

	// Encoded words (RFC 2047 §5).
	field(posing, "=?utf-8?q?info=40bank.example?= <"+evil+">")
	field(posing, "=?utf-8?b?aW5mb0BiYW5rLmV4YW1wbGUsIA==?= <"+evil+">")
	field(posing, "=?utf-8?q?=3Cinfo=40bank.example=3E?= <"+evil+">")
	field(posing, "=?utf-8?q?=22info=40bank.example=22=3Cinfo=40bank.example=3E?= <"+evil+">")
	field(ambiguous, "=?utf-8?q?info=40bank.example?=")
	field(ambiguous, "=?utf-8?q?info=40bank.example=00?= <"+evil+">")
	field(ambiguous, "=?utf-8?q?Bank=0A=0DFrom=3A_info=40bank.example?= <"+evil+">")
	field(ambiguous, "<=?utf-8?q?info=40bank.example?=@evil.example>")

	// Controls, and what has no width.
	field(ambiguous, "<info@bank.example\x00@evil.example>")
	field(ambiguous, evil+"\x00"+bank)
	field(ambiguous, evil+"\x7f")
	field(ambiguous, evil+"\x1b[2K")
	field(ambiguous, bank+"\b\b <"+evil+">")
	field(ambiguous, evil+"\r"+bank)
	field(ambiguous, "x\u200b@evil.example")
	field(ambiguous, "x\u202e@evil.example")
	field(ambiguous, "x@evil\u202e.example")
	field(ambiguous, "x@evil\u00ad.example")
	field(ambiguous, "x@ev\u200dil.example")
	field(ambiguous, "\ufeff"+evil)
	field(ambiguous, "<\ufeff"+evil+">")
	field(ambiguous, evil+"\u00a0")

	// Comments (RFC 5322 §3.2.2).
	field(ambiguous, evil+" ("+bank+")")
	field(ambiguous, "("+bank+") "+evil)
	field(ambiguous, "x("+bank+")@evil.example")
	field(ambiguous, evil+" (a (b (c <"+bank+">)))")
	field(ambiguous, "(a <"+bank+"> "+evil)
	field(ambiguous, evil+" (a (b) "+bank)
	field(ambiguous, evil+` (a \) `+bank+")")
	field(ambiguous, "("+evil+")")
	field(ambiguous, bank+"( <"+evil+">)")
	field(ambiguous, `"(" <`+evil+`>, ")" <`+bank+">")

	// Routes, old and quoted forms (RFC 5322 §4.4).
	field(ambiguous, "<@bank.example:"+evil+">")
	field(ambiguous, "<@a.example,@bank.example:"+evil+">")
	field(ambiguous, "@bank.example:"+evil)
	field(theirs, "<info%bank.example@evil.example>")
	field(ambiguous, `<"`+bank+`"@evil.example>`)
	field(ambiguous, `"`+bank+`"@evil.example`)
	field(ambiguous, `<"`+bank+`>"@evil.example>`)
	field(posing, `"<`+bank+`>" <`+evil+">")
	field(posing, `"a\" <`+bank+`>" <`+evil+">")
	field(ambiguous, `"`+bank+" <"+evil+">")
	field(ambiguous, "<info@bank.example@evil.example>")
	field(ambiguous, "<x@evil.example@bank.example>")
	field(ambiguous, "<"+evil+">"+bank)
	field(ambiguous, "<"+evil+"> (c) "+bank)
	field(ambiguous, "<<"+bank+">"+evil+">")
	field(ambiguous, "<"+evil)
	field(ambiguous, evil+">")
	field(ambiguous, "a<"+bank+" <"+evil+">")
	field(ambiguous, bank+" <"+evil+">")
	field(ambiguous, "info @ bank.example <"+evil+">")
	field(ambiguous, `x\@bank.example@evil.example`)
	field(ambiguous, bank+`\@evil.example`)
	field(ambiguous, "mailto:"+evil)
	field(ambiguous, "<http://bank.example/@evil.example>")
	field(ambiguous, evil+" bank.example")
	field(ambiguous, "<b>"+bank+"</b> <"+evil+">")

	// Letters beyond ASCII (RFC 6532, RFC 5891).
	field(nobodys, "x@b\u00fccher.example")
	field(nobodys, "x@b\u0430nk.example")
	field(posing, "\u0430nna@evil.example")
	field(theirs, "\u0430\u043d\u043d\u0430@evil.example")
	field(theirs, "jose\u0301@evil.example")
	field(ambiguous, "mar\u212a@evil.example")
	field(ambiguous, "bo\u017fs@evil.example")
	field(ambiguous, "\uff4dark@evil.example")
	field(ambiguous, "o\ufb03ce@evil.example")
	field(ambiguous, "info@bank.example\u3002evil.example")
	field(ambiguous, "info\uff20bank.example@evil.example")
	field(posing, "info\uff20bank.example <"+evil+">")
	field(theirs, "\xe9\xe8 <"+evil+">")
	field(ambiguous, "\xe9@evil.example")
	field(ambiguous, "x@\xe9vil.example")

	// Folding (RFC 5322 §2.2.3).
	field(theirs, "Anna\r\n <"+evil+">")
	field(theirs, "\r\n "+evil)
	field(theirs, "\"Anna\r\n B\" <"+evil+">")
	field(ambiguous, "x@\r\n evil.example")
	field(ambiguous, "info\r\n "+evil)
	field(ambiguous, "Anna\r\n \r\n <"+evil+">")
	field(ambiguous, evil+"\r\n (\r\n "+bank+")")
	field(ambiguous, bank+",\r\n\t"+evil)
	field(ambiguous, strings.Repeat(" ", 2000)+bank+", "+evil)

	// Domains (RFC 5321 §4.1.2).
	field(nobodys, "x@[203.0.113.1]")
	field(nobodys, "x@localhost")
	field(ambiguous, "x@evil.example.")
	field(ambiguous, "x@.evil.example")
	field(ambiguous, "x@evil..example")
	field(ambiguous, "x@")
	field(ambiguous, "@evil.example")
	return all
}

// What was checked is what an agent is shown, or the verdict is ambiguous and never better.
func TestWhatIsCheckedIsWhatIsShown(t *testing.T) {
	zone, err := dns.NewZone(map[string]*dns.Entry{
		"evil.example": {TXT: []string{"v=spf1 +all"}}, "_dmarc.evil.example": {TXT: []string{"v=DMARC1; p=none"}},
		"bank.example": {TXT: []string{"v=spf1 -all"}}, "_dmarc.bank.example": {TXT: []string{"v=DMARC1; p=reject"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	variants := theAuthors()
	if len(variants) < 120 {
		t.Errorf("only %d variants", len(variants))
	}
	for _, c := range variants {
		name := c.name[:min(len(c.name), 80)]
		raw := c.header + "To: help@firm.example\r\nSubject: Invoice\r\nDate: Sat, 21 Nov 2026 11:59:00 +0000\r\n\r\nPlease pay.\r\n"
		msg := reader.Parse([]byte(raw), reader.Limits{})
		got := mailauth.Judge(t.Context(), msg, mailauth.Options{
			Resolver: zone, ClientIP: netip.MustParseAddr("203.0.113.66"), Helo: "evil.example", MailFrom: evil,
		})
		verdict := map[string]mailauth.Verdict{ambiguous: mailauth.Ambiguous, theirs: mailauth.Authenticated, posing: mailauth.Authenticated, nobodys: mailauth.Unverified}[c.want]
		if got.Verdict != verdict {
			t.Errorf("%q: %s %v, want %s", name, got.Verdict, got.Reasons, verdict)
		}
		if got.Verdict == mailauth.Ambiguous {
			continue
		}
		poses := slices.Contains(got.Reasons, mailauth.NameLooksLikeAddress) || slices.Contains(got.Reasons, mailauth.AddressMixedScripts)
		if poses != (c.want == posing) {
			t.Errorf("%q: %v", name, got.Reasons)
		}
		shown := Render(msg, attachment.Report{}, Options{}).From
		if len(shown) != 1 || shown[0].Address != got.Address {
			t.Errorf("%q: shown as %q, checked as %q", name, shown, got.Address)
		}
		// A reader that is not ours, where it reads the field at all.
		if list, err := mail.ParseAddressList(msg.Header.Get("From")); err == nil && (len(list) != 1 || list[0].Address != got.Address) {
			t.Errorf("%q: another reader has %v, checked was %q", name, list, got.Address)
		}
	}
}
