package mailauth

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

func FuzzReadFrom(f *testing.F) {
	for _, seed := range []string{"Anna <anna@example.com>", `"a\"b" (c (d)) <x@y.example>`, "g: a@b.example, c@d.example;", "<@r.example:a@b.example>",
		"=?utf-8?q?a=40b?= <c@d.example>", "a@b.example <c@d.example>", "((((", "\x00\r\n\xff", `"a@b"@c.example`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		a := readFrom(value)
		if len(a.ambiguities) == 0 && a.domain == "" && !strings.Contains(a.address, "[") {
			t.Errorf("neither a domain nor a doubt: %+v", a)
		}
		if strings.Count(value, "@") > 1 && len(a.ambiguities) == 0 && !strings.ContainsAny(value, `"?<`) {
			t.Errorf("two addresses without a doubt: %+v", a)
		}
	})
}

func FuzzParseReceived(f *testing.F) {
	for _, seed := range []string{"from h.example (n.example [192.0.2.1]) by mx.example (Postfix) with ESMTP id 1; d",
		"from [192.0.2.1] (helo=[203.0.113.9]) by mx.example; d", "from unknown (HELO x) (192.0.2.1) by mx", "by x from y ((("} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if r := parseReceived(value); r.by == "" && r.client.IsValid() {
			t.Errorf("a client without a server: %+v", r)
		}
	})
}

func FuzzJudge(f *testing.F) {
	f.Add([]byte(sign(f, plain, "example.com")))
	f.Add([]byte(seal(f, plain, 1, "list.example", "dmarc=pass header.from=example.com")))
	f.Add([]byte("From: a@b\nFrom: c@d\r\n\r\n"))
	zone := names(f, map[string]string{"_dmarc.example.com": "v=DMARC1; p=reject", "example.com": "v=spf1 -all"})
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := Judge(context.Background(), mail.Parse(raw, mail.Limits{}), Options{
			Resolver: zone, At: at, TrustMX: []string{"mx.firm.example"}, TrustAuthserv: []string{"mx.firm.example"}, TrustSealers: []string{"list.example"},
		})
		// No key is published, so nothing can be authenticated.
		switch got.Verdict {
		case Unverified, Forged, Ambiguous:
		default:
			t.Errorf("verdict %q", got.Verdict)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Error(err)
		}
		for _, reason := range got.Reasons {
			if _, explained := Reasons[reason]; !explained {
				t.Errorf("%s is not explained", reason)
			}
		}
	})
}
