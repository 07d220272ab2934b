package arc

import (
	"context"
	"testing"

	"github.com/postern-mail/postern/pkg/mailauth/dkim"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/mailauth/internal/rawmail"
)

func FuzzValidate(f *testing.F) {
	set := "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a.example; s=s; b=AAAA\r\nARC-Message-Signature: i=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\nARC-Authentication-Results: i=1; a.example; none\r\n"
	f.Add([]byte(set + "From: a@b.example\r\n\r\n"))
	f.Add([]byte("ARC-Seal: i=99999\r\n\r\n"))
	zone, err := dns.NewZone(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		header, body := rawmail.Split(raw)
		got := Validate(context.Background(), dkim.NewText(header, body), Options{Resolver: zone})
		if got.Outcome == Pass {
			t.Error("a chain without keys passed")
		}
	})
}
