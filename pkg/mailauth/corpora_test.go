package mailauth

import (
	"bytes"
	"context"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/dkim"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// realMails gives the people's mails of the corpora, as they are stored.
func realMails(t testing.TB) map[string][]byte {
	t.Helper()
	files := corpora.Open(t)
	mails := map[string][]byte{}
	err := fs.WalkDir(files, "real", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "LICENSE") {
			return err
		}
		mails[path], err = fs.ReadFile(files, path)
		return err
	})
	if err != nil || len(mails) == 0 {
		t.Fatalf("%d mails (%v)", len(mails), err)
	}
	return mails
}

func TestRealMailsAreNotAmbiguous(t *testing.T) {
	for path, raw := range realMails(t) {
		if strings.Contains(path, "spam") {
			continue // theirs may be what they want
		}
		got := Judge(context.Background(), mail.Parse(raw, mail.Limits{}), Options{At: at})
		if got.Verdict != Unverified {
			t.Errorf("%s: %s %v", path, got.Verdict, got.Reasons)
		}
	}
}

// stalwart gives the signed mails of one set and their zone.
func stalwart(t testing.TB) ([][]byte, *dns.Zone) {
	t.Helper()
	files := corpora.Open(t)
	names, err := fs.Glob(files, "dkim/stalwart/*.txt")
	if err != nil || len(names) != 6 {
		t.Fatalf("%d mails (%v)", len(names), err)
	}
	var mails [][]byte
	entries := map[string]*dns.Entry{"stalw.art": {TXT: []string{"v=spf1 -all"}}}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		head, raw, _ := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n\n")
		for _, line := range strings.Split(head, "\n") {
			key, record, _ := strings.Cut(line, " ")
			entries[key] = &dns.Entry{TXT: []string{record}}
		}
		mails = append(mails, []byte(strings.ReplaceAll(raw, "\n", "\r\n")))
	}
	zone, err := dns.NewZone(entries)
	if err != nil {
		t.Fatal(err)
	}
	return mails, zone
}

// perMail tells what one mail of several in an operation costs.
func perMail(b *testing.B, mails int) {
	b.ReportMetric(float64(b.N*mails)/b.Elapsed().Seconds(), "mails/s")
	b.ReportMetric(float64(mails), "mails/op")
}

// One operation is the six signed mails of one set, with SPF and DMARC.
func BenchmarkJudgeSigned(b *testing.B) {
	raws, zone := stalwart(b)
	var mails []*mail.Message
	for _, raw := range raws {
		mails = append(mails, mail.Parse(raw, mail.Limits{}))
	}
	options := Options{
		Resolver: zone, At: time.Date(2022, 11, 7, 23, 59, 0, 0, time.UTC), KeyCache: dkim.NewKeyCache(100),
		ClientIP: netip.MustParseAddr("192.0.2.1"), Helo: "h.example", MailFrom: "a@stalw.art",
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, msg := range mails {
			if r := Judge(context.Background(), msg, options); len(r.DKIM) == 0 || r.DKIM[0].Result != dkim.Pass {
				b.Fatal(r.DKIM)
			}
		}
	}
	perMail(b, len(mails))
}

// The same mails with go-msgauth, which checks DKIM alone.
func BenchmarkGoMsgauthSigned(b *testing.B) {
	raws, zone := stalwart(b)
	options := &msgauth.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		answer, err := zone.Lookup(context.Background(), dns.TXT, name)
		return answer.Texts, err
	}}
	b.ReportAllocs()
	for b.Loop() {
		for _, raw := range raws {
			if _, err := msgauth.VerifyWithOptions(bytes.NewReader(raw), options); err != nil {
				b.Fatal(err)
			}
		}
	}
	perMail(b, len(raws))
}

// One operation is every real mail of the corpora, none of them signed.
func BenchmarkJudgeReal(b *testing.B) {
	var mails []*mail.Message
	for _, raw := range realMails(b) {
		mails = append(mails, mail.Parse(raw, mail.Limits{}))
	}
	zone, err := dns.NewZone(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, msg := range mails {
			Judge(context.Background(), msg, Options{Resolver: zone, At: at})
		}
	}
	perMail(b, len(mails))
}
