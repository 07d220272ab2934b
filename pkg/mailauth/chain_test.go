package mailauth

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/arc"
	"github.com/postern-mail/postern/pkg/mailauth/dkim"
)

// seal adds an ARC set as RFC 8617 §5.1 says. The published suite checks the
// validator; this only makes chains for the judgement of trust.
func seal(t testing.TB, raw string, instance int, domain, results string) string {
	t.Helper()
	encode := base64.StdEncoding.EncodeToString
	msg := mail.Parse([]byte(raw), mail.Limits{})
	text := dkim.NewText(msg.Header, msg.Root.RawBody)
	body := text.HashBody([]dkim.BodyWant{{Canon: dkim.Relaxed, Limit: -1}})[0]
	aar := fmt.Sprintf("ARC-Authentication-Results: i=%d; %s; %s\r\n", instance, domain, results)
	ams := fmt.Sprintf("ARC-Message-Signature: i=%d; a=ed25519-sha256; c=relaxed/relaxed; d=%s; s=s; h=from:to:subject; bh=%s; b=", instance, domain, encode(body.Sum[:]))
	whole := mail.Parse([]byte(ams+"\r\n"+raw), mail.Limits{})
	tags, err := dkim.ParseTags(strings.SplitN(ams, ":", 2)[1])
	if err != nil {
		t.Fatal(err)
	}
	signed := dkim.NewText(whole.Header, whole.Root.RawBody)
	digest := signed.HeaderDigest(&dkim.Signature{HeaderCanon: dkim.Relaxed, Tags: tags}, signed.Select([]string{"from", "to", "subject"}, 0), 0)
	ams += encode(ed25519.Sign(key, digest[:])) + "\r\n"
	status := "pass"
	if instance == 1 {
		status = "none"
	}
	as := fmt.Sprintf("ARC-Seal: i=%d; a=ed25519-sha256; cv=%s; d=%s; s=s; b=", instance, status, domain)
	var sealed []byte
	for n := 1; n < instance; n++ {
		for _, name := range []string{"arc-authentication-results", "arc-message-signature", "arc-seal"} {
			for i := range msg.Header {
				if dkim.Is(&msg.Header[i], name) && strings.Contains(string(msg.Header[i].Value), fmt.Sprintf("i=%d;", n)) {
					sealed = text.AppendField(sealed, msg.Header[i].Raw, dkim.Relaxed)
				}
			}
		}
	}
	for _, field := range []string{aar, ams, as} {
		sealed = text.AppendField(sealed, []byte(field), dkim.Relaxed)
	}
	sum := sha(bytes.TrimSuffix(sealed, []byte("\r\n")))
	return as + encode(ed25519.Sign(key, sum)) + "\r\n" + ams + aar + raw
}

func TestAChainHelpsOnlyWithSealersThatWeTrust(t *testing.T) {
	zone := names(t, map[string]string{
		"s._domainkey.list.example": keyRecord(), "s._domainkey.evil.example": keyRecord(),
		"_dmarc.example.com": "v=DMARC1; p=reject",
	})
	pass := "dmarc=pass header.from=example.com"
	trusted := []string{"list.example"}
	one := seal(t, plain, 1, "list.example", pass)
	for _, c := range []struct {
		name    string
		raw     string
		trust   []string
		verdict Verdict
		arc     arc.Outcome
		trusted bool
	}{
		{"a trusted sealer vouches", one, trusted, Authenticated, arc.Pass, true},
		{"nobody is trusted by default", one, nil, Forged, arc.Pass, false},
		{"a sealer that is not configured", seal(t, plain, 1, "evil.example", pass), trusted, Forged, arc.Pass, false},
		{"a trusted sealer that saw it fail", seal(t, plain, 1, "list.example", "dmarc=fail header.from=example.com"), trusted, Forged, arc.Pass, true},
		{"a trusted sealer that saw another author", seal(t, plain, 1, "list.example", "dmarc=pass header.from=evil.example"), trusted, Forged, arc.Pass, true},
		{"a trusted sealer that does not say whom it saw", seal(t, plain, 1, "list.example", "dmarc=pass"), trusted, Forged, arc.Pass, true},
		{"an invented first hop below a trusted one", seal(t, seal(t, plain, 1, "evil.example", pass), 2, "list.example", "dmarc=fail header.from=example.com"), trusted, Forged, arc.Pass, true},
		{"a trusted hop below a stranger's", seal(t, one, 2, "evil.example", pass), trusted, Forged, arc.Pass, false},
		{"two trusted hops: the innermost saw the author", seal(t, one, 2, "list.example", "dmarc=fail header.from=example.com"), trusted, Authenticated, arc.Pass, true},
		{"changed after sealing", strings.Replace(one, "Good day", "Bad day", 1), trusted, Forged, arc.Fail, false},
		{"results changed after sealing", strings.Replace(seal(t, plain, 1, "list.example", "dmarc=fail header.from=example.com"), "dmarc=fail", "dmarc=pass", 1), trusted, Forged, arc.Fail, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judgeText(t, c.raw, Options{Resolver: zone, TrustSealers: c.trust})
			if got.Verdict != c.verdict || got.ARC.Result != string(c.arc) || got.ARC.Trusted != c.trusted {
				t.Errorf("%s %v %+v", got.Verdict, got.Reasons, got.ARC)
			}
		})
	}
	added := judgeText(t, "From: boss@example.com\r\n"+one, Options{Resolver: zone, TrustSealers: trusted})
	if added.Verdict != Ambiguous || added.ARC.Trusted || !slices.Contains(added.Reasons, ARCAuthorUnsigned) {
		t.Errorf("an author added: %s %v", added.Verdict, added.Reasons)
	}
}

func TestChainsOfFiftySetsAreTheLongest(t *testing.T) {
	zone := names(t, map[string]string{"s._domainkey.list.example": keyRecord()})
	raw := plain
	for i := 1; i <= arc.MaxSets; i++ {
		raw = seal(t, raw, i, "list.example", "none")
	}
	validate := func(raw string) arc.Result {
		msg := mail.Parse([]byte(raw), mail.Limits{})
		return arc.Validate(context.Background(), dkim.NewText(msg.Header, msg.Root.RawBody), arc.Options{Resolver: zone})
	}
	if got := validate(raw); got.Outcome != arc.Pass || len(got.Sets) != arc.MaxSets {
		t.Errorf("50 sets: %s %s", got.Outcome, got.Reason)
	}
	if got := validate(seal(t, raw, arc.MaxSets+1, "list.example", "none")); got.Outcome != arc.Fail || got.Reason != arc.TooManySets {
		t.Errorf("51 sets: %s %s", got.Outcome, got.Reason)
	}
}
