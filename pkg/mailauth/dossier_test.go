package mailauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// judged judges, keeps what the judgement rests on, and repeats it from that and the message alone.
func judged(t testing.TB, raw []byte, options Options) Result {
	t.Helper()
	first := Judge(context.Background(), mail.Parse(raw, mail.Limits{}), options)
	packed, err := NewDossier(first, options).Pack()
	if err != nil {
		t.Fatal(err)
	}
	dossier, err := ReadDossier(packed)
	if err != nil {
		t.Fatal(err)
	}
	again, err := dossier.Judge(context.Background(), mail.Parse(raw, mail.Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(first)
	b, _ := json.Marshal(again)
	if differ := dossier.Differences(again); len(differ) > 0 || !bytes.Equal(a, b) {
		t.Errorf("repeated, %v differ:\n%s\nfirst\n%s", differ, b, a)
	}
	return first
}

func TestAVerdictRepeatsFromItsDossierWhateverHasChanged(t *testing.T) {
	raw := []byte(sign(t, plain, "example.com"))
	zone := map[string]string{"s._domainkey.example.com": keyRecord(), "_dmarc.example.com": "v=DMARC1; p=reject", "example.com": "v=spf1 a -all|g\xff\xfe\x80"}
	options := Options{
		Resolver: names(t, zone), At: time.Now().Add(time.Minute),
		ClientIP: netip.MustParseAddr("192.0.2.1"), Helo: "h.example", MailFrom: "anna@example.com",
		Customers: knows{"anna@example.com"}, Ours: Ours{Domains: []string{"firm.example"}},
	}
	if first := judged(t, raw, options); first.Verdict != Verified || len(first.Evidence.Questions) == 0 {
		t.Errorf("%s with %d questions", first.Verdict, len(first.Evidence.Questions))
	}
	dossier := NewDossier(Judge(t.Context(), mail.Parse(raw, mail.Limits{}), options), options)

	// A mail that is not the one, and an answer that was changed, are told of.
	other := bytes.Replace(raw, []byte("Good day"), []byte("Bad day!"), 1)
	again, err := dossier.Judge(t.Context(), mail.Parse(other, mail.Limits{}))
	if err != nil || !slices.Contains(dossier.Differences(again), "verdict") || !slices.Contains(dossier.Differences(again), "dkim") || slices.Contains(dossier.Differences(again), "spf") {
		t.Errorf("of another mail %v differ, %v", dossier.Differences(again), err)
	}
	for i, q := range dossier.Questions {
		if strings.HasPrefix(q.Name, "s._domainkey") {
			dossier.Questions[i] = dns.Question{Type: q.Type, Name: q.Name, Status: "nxdomain"}
		}
	}
	if again, err = dossier.Judge(t.Context(), mail.Parse(raw, mail.Limits{})); err != nil || again.Verdict == Verified {
		t.Errorf("without the key: %s, %v", again.Verdict, err)
	}
}

// What was said temporarily is repeated as well: nobody is asked again.
func TestASilentNameServerIsSilentInTheDossier(t *testing.T) {
	got := judged(t, []byte(sign(t, plain, "example.com")), Options{
		Resolver: names(t, map[string]string{"s._domainkey.example.com": "timeout", "_dmarc.example.com": "servfail"}), At: time.Now().Add(time.Minute),
	})
	if !got.Unsettled() {
		t.Errorf("%s %v", got.Verdict, got.Reasons)
	}
}

func TestADossierOfTooMuchIsNotKept(t *testing.T) {
	many := make([]dns.Question, 100)
	for i := range many {
		many[i] = dns.Question{Type: dns.TXT, Name: "a.example", Answer: dns.Answer{Texts: []string{strings.Repeat("x", 64<<10)}}, Status: "ok"}
	}
	for count, want := range map[int]error{1: nil, 100: nil} {
		d := Dossier{Version: dossierVersion, Questions: many[:count]}
		if _, err := d.Pack(); !errors.Is(err, want) {
			t.Errorf("%d long answers: %v", count, err)
		}
	}
	d := Dossier{Version: dossierVersion, Questions: append(many, many...)}
	if _, err := d.Pack(); !errors.Is(err, ErrDossierSize) {
		t.Errorf("over what is unpacked: %v", err)
	}
	random := make([]byte, maxDossierKept)
	for i, x := 0, uint32(1); i < len(random); i++ {
		x = x*1664525 + 1013904223
		random[i] = byte(x >> 24)
	}
	d = Dossier{Version: dossierVersion, Questions: []dns.Question{{Answer: dns.Answer{Texts: []string{string(random)}}}}}
	if _, err := d.Pack(); !errors.Is(err, ErrDossierSize) {
		t.Errorf("over what is kept: %v", err)
	}
	if _, err := ReadDossier([]byte("nothing of the kind")); err == nil {
		t.Error("anything is a dossier")
	}
	newer, err := Dossier{Version: dossierVersion + 1}.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadDossier(newer); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("a newer one: %v", err)
	}
}

// Every mail of the corpora, with what its set says of the DNS.
func TestVerdictsOfTheCorporaRepeat(t *testing.T) {
	mails, zone := stalwart(t)
	for _, raw := range mails {
		judged(t, raw, Options{Resolver: zone, At: at})
	}
	for name, raw := range realMails(t) {
		if path.Ext(name) != "" || len(raw) < 100<<10 {
			judged(t, raw, Options{At: at, TrustMX: []string{"mx.example"}})
		}
	}
}

// One operation keeps what the judgement of one signed mail rests on.
func BenchmarkPackDossier(b *testing.B) {
	raws, zone := stalwart(b)
	options := Options{Resolver: zone, At: at}
	dossier := NewDossier(Judge(b.Context(), mail.Parse(raws[0], mail.Limits{}), options), options)
	kept := 0
	b.ReportAllocs()
	for b.Loop() {
		packed, err := dossier.Pack()
		if err != nil {
			b.Fatal(err)
		}
		kept = len(packed)
	}
	b.ReportMetric(float64(kept), "bytes/mail")
}

func TestTheLinesOfTheHeaderAreKeptOctetByOctet(t *testing.T) {
	raw := "Received: from \xff\xfe\x01\u202e by b.example\r\n\t(more)\r\nFrom: Anna <anna@example.com>\r\nSubject: not read\r\nDKIM-Signature: v=1\r\n\r\ntext\r\n"
	got := Judge(t.Context(), mail.Parse([]byte(raw), mail.Limits{}), Options{At: at})
	packed, err := NewDossier(got, Options{}).Pack()
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadDossier(packed)
	want := []Line{"Received: from \xff\xfe\x01\u202e by b.example\r\n\t(more)", "From: Anna <anna@example.com>", "DKIM-Signature: v=1"}
	if err != nil || !slices.Equal(read.Lines, want) || read.More != 0 {
		t.Errorf("%q and %d more, %v", read.Lines, read.More, err)
	}
	if err := json.Unmarshal([]byte(`"Ā"`), new(Line)); err == nil {
		t.Error("a character that is no octet was read")
	}
}

// Each bound, at it and one past it.
func TestOfManyOrLongLinesSomeAreKept(t *testing.T) {
	for _, c := range []struct{ fields, length, kept, size int }{
		{maxLines, 10, maxLines, 10},
		{maxLines + 1, 10, maxLines, 10},
		{1, maxLine, 1, maxLine},
		{1, maxLine + 1, 1, maxLine},
		{maxLineBytes / maxLine, maxLine, maxLineBytes / maxLine, maxLine},
		{maxLineBytes/maxLine + 1, maxLine, maxLineBytes / maxLine, maxLine},
	} {
		lines, more := linesOf(slices.Repeat([]string{strings.Repeat("x", c.length) + "\r\n"}, c.fields))
		if len(lines) != c.kept || more != c.fields-c.kept || len(lines[0]) != c.size {
			t.Errorf("of %d lines of %d: %d of %d, and %d more", c.fields, c.length, len(lines), len(lines[0]), more)
		}
	}
}

// What is only to be looked at goes before what is judged from.
func TestADossierThatIsTooLargeIsKeptWithoutItsLines(t *testing.T) {
	noise := make([]byte, maxDossierKept*5/4) // of six bits each
	for i, x := 0, uint32(7); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[x>>26]
	}
	d := Dossier{Version: dossierVersion, Questions: []dns.Question{{Name: "kept.example", Answer: dns.Answer{Texts: []string{string(noise)}}}}}
	for i := range maxLineBytes / maxLine {
		d.Lines = append(d.Lines, Line(noise[i*maxLine:(i+1)*maxLine]))
	}
	for i := range d.Lines { // which repeats nothing of the answer
		reversed := []byte(d.Lines[i])
		slices.Reverse(reversed)
		d.Lines[i] = Line(reversed)
	}
	packed, err := d.Pack()
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadDossier(packed)
	if err != nil || len(read.Questions) != 1 || len(read.Lines) != 0 || read.More != maxLineBytes/maxLine {
		t.Errorf("%d questions, %d lines, %d more, %v", len(read.Questions), len(read.Lines), read.More, err)
	}
}
