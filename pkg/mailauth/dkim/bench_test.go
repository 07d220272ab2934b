package dkim

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/mailauth/internal/rawmail"
)

// tenKB is a mail of 10 KB with one RSA-2048 signature.
func tenKB(b *testing.B) (raw string, zone *dns.Zone, record string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	body := strings.Repeat("The quick brown fox jumps over the lazy dog, again and again.\r\n", 160)
	raw = forge(b, head+"\r\n\r\n"+body, strings.Replace(good, "ed25519", "rsa", 1), key)
	record = rsaRecord(b, key)
	zone, err = dns.NewZone(map[string]*dns.Entry{"s._domainkey.example.com": {TXT: []string{record}}})
	if err != nil {
		b.Fatal(err)
	}
	return raw, zone, record
}

func BenchmarkVerify10KB(b *testing.B) {
	raw, zone, _ := tenKB(b)
	header, body := rawmail.Split([]byte(raw))
	text := NewText(header, body)
	options := Options{Resolver: zone, At: at, Keys: NewKeyCache(10)}
	b.ReportAllocs()
	for b.Loop() {
		if r, _ := Verify(context.Background(), text, options); r[0].Result != Pass {
			b.Fatal(r)
		}
	}
}

func BenchmarkGoMsgauth10KB(b *testing.B) {
	raw, _, record := tenKB(b)
	options := &msgauth.VerifyOptions{LookupTXT: func(string) ([]string, error) { return []string{record}, nil }}
	b.ReportAllocs()
	for b.Loop() {
		if r, err := msgauth.VerifyWithOptions(bytes.NewReader([]byte(raw)), options); err != nil || r[0].Err != nil {
			b.Fatal(err, r)
		}
	}
}

func BenchmarkVerifyHostile(b *testing.B) {
	raw := forge(b, message, good, edKey)
	field, _, _ := strings.Cut(raw, "From:")
	raw = strings.Repeat(field, 100) + strings.Repeat("X-A: b\r\n", 1000) + message
	header, body := rawmail.Split([]byte(raw))
	text := NewText(header, body)
	options := Options{Resolver: zone(b, edRecord), At: at}
	b.ReportAllocs()
	for b.Loop() {
		Verify(context.Background(), text, options)
	}
}
