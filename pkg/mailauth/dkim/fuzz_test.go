package dkim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mailauth/internal/rawmail"
)

func FuzzParseSignature(f *testing.F) {
	f.Add(" v=1; a=rsa-sha256; c=relaxed/simple; d=a.example; s=s; h=from:to; bh=AAAA; b=AAAA; l=3; t=1; x=2; i=@a.example; q=dns/txt")
	f.Add("v=1;a=ed25519-sha256;d=a;s=;h=;bh=;b=")
	f.Add(";;==\r\n\t;")
	f.Fuzz(func(t *testing.T, value string) {
		sig, err := ParseSignature(value)
		if sig == nil {
			t.Fatal("no signature")
		}
		if err == nil && (sig.Domain == "" || sig.Selector == "" || len(sig.Headers) == 0) {
			t.Errorf("accepted without what is required: %+v", sig)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add("v=DKIM1; k=rsa; h=sha256; s=email; t=s; p=AAAA")
	f.Add("p=")
	f.Fuzz(func(t *testing.T, record string) {
		if key, err := ParseKey(record); err == nil && key.Public == nil {
			t.Error("a key without a key")
		}
	})
}

// The body hash in pieces equals the plain reading of RFC 6376 §3.4.3 and §3.4.4.
func FuzzBody(f *testing.F) {
	f.Add([]byte(" C \r\nD \t E\r\n\r\n\r\n"))
	f.Add([]byte("a\nb\r\n \r\n\r"))
	f.Add(bytes.Repeat([]byte("x  y\r\n"), 5000))
	f.Fuzz(func(t *testing.T, body []byte) {
		text := &Text{Body: body}
		digests := text.HashBody([]BodyWant{{Simple, -1}, {Relaxed, -1}})
		simple := string(body)
		for strings.HasSuffix(simple, "\r\n") {
			simple = strings.TrimSuffix(simple, "\r\n")
		}
		simple += "\r\n"
		if digests[0].Sum != sha256.Sum256([]byte(simple)) {
			t.Error("simple")
		}
		lines := strings.Split(string(body), "\r\n")
		for i, line := range lines {
			var out strings.Builder
			space := false
			for j := 0; j < len(line); j++ {
				if line[j] == ' ' || line[j] == '\t' {
					space = true
					continue
				}
				if space {
					out.WriteByte(' ')
				}
				space = false
				out.WriteByte(line[j])
			}
			lines[i] = out.String()
		}
		for len(lines) > 0 && lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		relaxed := ""
		if len(lines) > 0 {
			relaxed = strings.Join(lines, "\r\n") + "\r\n"
		}
		if digests[1].Sum != sha256.Sum256([]byte(relaxed)) {
			t.Error("relaxed")
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(forge(f, message, good, edKey)))
	resolver := zone(f, edRecord)
	f.Fuzz(func(t *testing.T, raw []byte) {
		header, body := rawmail.Split(raw)
		Verify(context.Background(), NewText(header, body), Options{Resolver: resolver, At: at})
	})
}
