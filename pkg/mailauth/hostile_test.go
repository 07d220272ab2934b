package mailauth

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/dkim"
)

// hostile are mails that cost as much as one kind of thing can: all of their signatures and seals
// are right, so that none is given up early.
func hostile(t testing.TB) map[string]string {
	t.Helper()
	sealed := plain
	for i := 1; i <= 50; i++ {
		sealed = seal(t, sealed, i, fmt.Sprintf("a%d.example", i), "dmarc=pass header.from=example.com")
	}
	return map[string]string{
		"1000-headers":   strings.Repeat("Received: from x (((( by y ("+strings.Repeat("a", 60)+")\r\n", 1000) + plain,
		"100-signatures": strings.Join(signatures(t, 100), "") + plain,
		"50-seals":       sealed,
		"1000-headers-100-signatures-50-seals": strings.Repeat("X-A: b\r\nReceived: from x (((( by y\r\n", 500) +
			strings.Join(signatures(t, 100), "") + sealed,
	}
}

// signatures are right ones of plain, each of another domain.
func signatures(t testing.TB, n int) (fields []string) {
	t.Helper()
	msg := mail.Parse([]byte(plain), mail.Limits{})
	body := dkim.NewText(msg.Header, msg.Root.RawBody).HashBody([]dkim.BodyWant{{Canon: dkim.Relaxed, Limit: -1}})[0]
	for i := range n {
		field := fmt.Sprintf("DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=d%d.example; s=s; h=from:to:subject:date; bh=%s; b=", i, base64.StdEncoding.EncodeToString(body.Sum[:]))
		whole := mail.Parse([]byte(field+"\r\n"+plain), mail.Limits{})
		tags, err := dkim.ParseTags(string(whole.Header[0].Value))
		if err != nil {
			t.Fatal(err)
		}
		text := dkim.NewText(whole.Header, whole.Root.RawBody)
		picked := text.Select([]string{"from", "to", "subject", "date"}, 0)
		digest := text.HeaderDigest(&dkim.Signature{HeaderCanon: dkim.Relaxed, Tags: tags}, picked, 0)
		fields = append(fields, field+base64.StdEncoding.EncodeToString(ed25519.Sign(key, digest[:]))+"\r\n")
	}
	return fields
}

func hostileOptions() Options {
	return Options{
		Resolver: endless{}, At: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), KeyCache: dkim.NewKeyCache(100),
		ClientIP: netip.MustParseAddr("192.0.2.1"), Helo: "h.example", MailFrom: "l@example.com",
		TrustMX: []string{"mx.firm.example"}, TrustAuthserv: []string{"mx.firm.example"}, TrustSealers: []string{"a50.example"},
	}
}

// The look-ups of each are counted by hand: SPF may ask ten terms' (RFC 7208 §4.6.4), of which those
// of mx and ptr ask for ten names each; DMARC eight names and one; ten signatures and fifty-one seals a key each.
func TestHostileMailsAreBoundedInLookUps(t *testing.T) {
	const (
		spfMost   = 1 + 10 + 2*10
		dmarcMost = 9
	)
	for name, raw := range hostile(t) {
		got := judged(t, []byte(raw), hostileOptions())
		most := spfMost + dmarcMost
		if strings.Contains(name, "signatures") {
			most += 10
			if len(got.DKIM) != 10 || got.DKIM[0].Result != dkim.Pass {
				t.Errorf("%s: %d signatures, the first %+v", name, len(got.DKIM), got.DKIM[0])
			}
		}
		if strings.Contains(name, "seals") {
			most += 51
			if got.ARC.Result != "pass" && !strings.Contains(name, "1000") {
				t.Errorf("%s: arc %s %v", name, got.ARC.Result, got.Reasons)
			}
		}
		if n := len(got.Evidence.Questions); n > most || n > DefaultLimits.Lookups {
			t.Errorf("%s: %d look-ups, at most %d expected", name, n, most)
		}
		if got.Verdict == Verified || got.Verdict == Authenticated && name != "50-seals" {
			t.Errorf("%s: %s %v", name, got.Verdict, got.Reasons)
		}
	}
}

// One operation reads and judges one mail.
func BenchmarkHostile(b *testing.B) {
	for name, raw := range hostile(b) {
		b.Run(name, func(b *testing.B) {
			options := hostileOptions()
			asked := 0
			b.ReportAllocs()
			for b.Loop() {
				asked = len(Judge(context.Background(), mail.Parse([]byte(raw), mail.Limits{}), options).Evidence.Questions)
			}
			b.ReportMetric(float64(asked), "look-ups")
		})
	}
}
