package dkim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/mailauth/internal/rawmail"
)

var at = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

var edKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))

var edRecord = "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(edKey.Public().(ed25519.PublicKey))

const message = "From: Anna <anna@example.com>\r\nTo: help@firm.example\r\nSubject: Hello\r\nDate: today\r\n\r\nGood day.\r\nBye.\r\n"

// forge signs a message with any tags, also wrong ones. The digest is computed
// with this package's canonicalization, which the corpora check.
func forge(t testing.TB, raw, tags string, signer crypto.Signer) string {
	t.Helper()
	header, body := rawmail.Split([]byte(raw))
	text := NewText(header, body)
	limit := int64(-1)
	if _, rest, found := strings.Cut(tags, "l="); found {
		fmt.Sscan(strings.TrimRight(strings.Fields(rest)[0], ";"), &limit)
	}
	canon := Simple
	if strings.Contains(tags, "c=relaxed/relaxed") {
		canon = Relaxed
	}
	sum := text.HashBody([]BodyWant{{canon, limit}})[0].Sum
	field := "DKIM-Signature: " + tags + "; bh=" + base64.StdEncoding.EncodeToString(sum[:]) + "; b="
	whole, _ := rawmail.Split([]byte(field + "\r\n" + raw))
	signed := NewText(whole, body)
	parsed, err := ParseTags(strings.TrimPrefix(field, "DKIM-Signature:"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range strings.Split(strings.ToLower(parsed.Get("h")), ":") {
		names = append(names, trim(name))
	}
	digest := signed.HeaderDigest(&Signature{HeaderCanon: canon, Tags: parsed}, signed.Select(names, 0), 0)
	var value []byte
	if key, ok := signer.(ed25519.PrivateKey); ok {
		value = ed25519.Sign(key, digest[:])
	} else if value, err = signer.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
		t.Fatal(err)
	}
	return field + base64.StdEncoding.EncodeToString(value) + "\r\n" + raw
}

func zone(t testing.TB, records ...string) *dns.Zone {
	t.Helper()
	z, err := dns.NewZone(map[string]*dns.Entry{"s._domainkey.example.com": {TXT: records}})
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func verify(raw string, options Options) []Result {
	header, body := rawmail.Split([]byte(raw))
	if options.At.IsZero() {
		options.At = at
	}
	results, _ := Verify(context.Background(), NewText(header, body), options)
	return results
}

const good = "v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=s; h=from:to:subject:date"

func TestEachRuleHasItsReason(t *testing.T) {
	unix := at.Unix()
	for _, c := range []struct {
		name    string
		tags    string
		record  string
		before  string // prepended after signing
		message string
		result  Outcome
		reason  string
		holds   bool
	}{
		{name: "all is well", tags: good, result: Pass, holds: true},
		{name: "simple", tags: strings.Replace(good, "c=relaxed/relaxed; ", "", 1), result: Pass, holds: true},
		{name: "all is well until x=", tags: fmt.Sprintf("%s; t=%d; x=%d", good, unix-9, unix), result: Pass, holds: true},
		{name: "past x=", tags: fmt.Sprintf("%s; t=%d; x=%d", good, unix-9, unix-1), result: Policy, reason: SignatureExpired, holds: true},
		{name: "x= before t=", tags: fmt.Sprintf("%s; t=%d; x=%d", good, unix, unix-1), result: PermError, reason: SignatureMalformed},
		{name: "t= within the skew", tags: fmt.Sprintf("%s; t=%d", good, unix+3600), result: Pass, holds: true},
		{name: "t= ahead of the skew", tags: fmt.Sprintf("%s; t=%d", good, unix+3601), result: Policy, reason: SignatureFromFuture, holds: true},
		{name: "l= of the whole body", tags: good + "; l=17", result: Pass, holds: true},
		{name: "l= leaves the last octet", tags: good + "; l=16", result: Policy, reason: BodyTailUnsigned, holds: true},
		{name: "l= of nothing", tags: good + "; l=0", result: Policy, reason: BodyTailUnsigned, holds: true},
		{name: "l= of more than there is", tags: good + "; l=18", result: PermError, reason: BodyShorterThanSigned},
		{name: "l= is no number", tags: good + "; l=-1", result: PermError, reason: SignatureMalformed},
		{name: "From not signed", tags: strings.Replace(good, "from:", "", 1), result: PermError, reason: FromUnsigned},
		{name: "Subject not signed", tags: strings.Replace(good, "subject:", "", 1), result: Policy, reason: SubjectUnsigned, holds: true},
		{name: "no Subject to sign", tags: strings.Replace(good, "subject:", "", 1), message: strings.Replace(message, "Subject: Hello\r\n", "", 1), result: Pass, holds: true},
		{name: "To not signed", tags: strings.Replace(good, "to:", "", 1), result: Pass, holds: true},
		{name: "From added", tags: good, before: "From: x@evil.example\r\n", result: Policy, reason: FromAdded, holds: true},
		{name: "Subject added", tags: good, before: "subject : x\r\n", result: Policy, reason: SubjectAdded, holds: true},
		{name: "To added", tags: good, before: "TO: x\r\n", result: Policy, reason: ToAdded, holds: true},
		{name: "Date added", tags: good, before: "Date: x\r\n", result: Policy, reason: DateAdded, holds: true},
		{name: "Reply-To added", tags: strings.Replace(good, "h=", "h=reply-to:", 1), message: "Reply-To: a@example.com\r\n" + message, before: "Reply-To: x\r\n", result: Policy, reason: ReplyToAdded, holds: true},
		{name: "Reply-To added that was never signed", tags: good, before: "Reply-To: x\r\n", result: Policy, reason: ReplyToAdded, holds: true},
		{name: "Reply-To that the signer left out", tags: good, message: "Reply-To: a@example.com\r\n" + message, result: Pass, holds: true},
		{name: "From added though oversigned", tags: strings.Replace(good, "from:", "from:from:", 1), before: "From: x@evil.example\r\n", result: Fail, reason: SignatureMismatch},
		{name: "Reply-To added though oversigned", tags: strings.Replace(good, "h=", "h=reply-to:", 1), before: "Reply-To: x\r\n", result: Fail, reason: SignatureMismatch},
		{name: "another version", tags: strings.Replace(good, "v=1", "v=2", 1), result: PermError, reason: VersionUnknown},
		{name: "no version", tags: strings.Replace(good, "v=1; ", "", 1), result: PermError, reason: VersionUnknown},
		{name: "sha1", tags: strings.Replace(good, "ed25519-sha256", "rsa-sha1", 1), result: PermError, reason: AlgorithmWeak},
		{name: "unknown algorithm", tags: strings.Replace(good, "ed25519", "rot13", 1), result: PermError, reason: AlgorithmUnknown},
		{name: "unknown canonicalization", tags: strings.Replace(good, "c=relaxed/relaxed", "c=relaxed/nothing", 1), result: PermError, reason: CanonicalizationUnknown},
		{name: "unknown query", tags: good + "; q=http", result: PermError, reason: QueryUnknown},
		{name: "i= below d=", tags: good + "; i=a@b.example.com", result: Pass, holds: true},
		{name: "i= elsewhere", tags: good + "; i=a@evil.example", result: PermError, reason: AUIDOutsideDomain},
		{name: "i= that ends alike", tags: good + "; i=a@evilexample.com", result: PermError, reason: AUIDOutsideDomain},
		{name: "t=s and i= below", tags: good + "; i=a@b.example.com", record: edRecord + "; t=s", result: PermError, reason: KeySubdomainRefused, holds: true},
		{name: "t=s and i= the same", tags: good + "; i=a@example.com", record: edRecord + "; t=s", result: Pass, holds: true},
		{name: "t=y", tags: good, record: edRecord + "; t=s:y", result: Policy, reason: KeyTesting, holds: true},
		{name: "s= for mail", tags: good, record: edRecord + "; s=tls:email", result: Pass, holds: true},
		{name: "s= for other things", tags: good, record: edRecord + "; s=tls", result: PermError, reason: KeyServiceRefused},
		{name: "h= with the hash", tags: good, record: edRecord + "; h=sha1:sha256", result: Pass, holds: true},
		{name: "h= without the hash", tags: good, record: edRecord + "; h=sha1", result: PermError, reason: KeyHashRefused},
		{name: "k= of another kind", tags: good, record: "k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB", result: PermError, reason: KeyTypeMismatch},
		{name: "p= withdrawn", tags: good, record: "v=DKIM1; k=ed25519; p=", result: PermError, reason: KeyRevoked},
		{name: "no p=", tags: good, record: "v=DKIM1; k=ed25519", result: PermError, reason: KeyMalformed},
		{name: "v= of another record", tags: good, record: "v=DKIM2; k=ed25519; p=AAAA", result: PermError, reason: KeyMalformed},
		{name: "v= that does not come first", tags: good, record: "k=ed25519; v=DKIM1; p=AAAA", result: PermError, reason: KeyMalformed},
		{name: "no record", tags: strings.Replace(good, "s=s", "s=t", 1), result: PermError, reason: KeyNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.record == "" {
				c.record = edRecord
			}
			if c.message == "" {
				c.message = message
			}
			raw := forge(t, c.message, c.tags, edKey)
			results := verify(c.before+raw, Options{Resolver: zone(t, c.record)})
			if len(results) != 1 {
				t.Fatalf("%d results", len(results))
			}
			r := results[0]
			if r.Result != c.result || r.Reason != c.reason || r.Holds != c.holds {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestATagThatStandsTwiceSpoilsTheSignature(t *testing.T) {
	raw := strings.Replace(forge(t, message, good, edKey), "; h=", "; s=s; h=", 1)
	if r := verify(raw, Options{Resolver: zone(t, edRecord)})[0]; r.Result != PermError || r.Reason != SignatureMalformed {
		t.Errorf("%+v", r)
	}
}

func TestChangesAreSeen(t *testing.T) {
	raw := forge(t, message, good, edKey)
	for change, want := range map[string]string{
		"Good day=>Bad day":                BodyHashMismatch,
		"Bye.\r\n=>Bye.\r\nPay.\r\n":       BodyHashMismatch,
		"Subject: Hello=>Subject: Urgent":  SignatureMismatch,
		"anna@example.com=>eve@example.ru": SignatureMismatch,
		"s=s; h==>s=s; i=@example.com; h=": SignatureMismatch,
	} {
		from, to, _ := strings.Cut(change, "=>")
		changed := strings.Replace(raw, from, to, 1)
		if changed == raw {
			t.Fatalf("%s changes nothing", change)
		}
		if r := verify(changed, Options{Resolver: zone(t, edRecord)})[0]; r.Result != Fail || r.Reason != want {
			t.Errorf("%s: %+v", change, r)
		}
	}
	// What relaxed forgives.
	for _, change := range []string{"Subject: Hello=>subject:   Hello  ", "Subject: Hello=>Subject:\r\n Hello", "Good day.=>Good \t day.  ", "Bye.\r\n=>Bye.\r\n\r\n\r\n"} {
		from, to, _ := strings.Cut(change, "=>")
		if r := verify(strings.Replace(raw, from, to, 1), Options{Resolver: zone(t, edRecord)})[0]; r.Result != Pass {
			t.Errorf("%s: %+v", change, r)
		}
	}
	if r := verify(strings.ReplaceAll(raw, "\r\n", "\n"), Options{Resolver: zone(t, edRecord)})[0]; r.Result != Pass {
		t.Errorf("stored with LF: %+v", r)
	}
	if r := verify(strings.Replace(raw, "Good day.\r\n", "Good day.\n", 1), Options{Resolver: zone(t, edRecord)})[0]; r.Result == Pass {
		t.Errorf("one lone LF: %+v", r)
	}
}

func rsaRecord(t testing.TB, key *rsa.PrivateKey) string {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(der)
}

func TestRSAKeysFrom1024BitsCount(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	tags := strings.Replace(good, "ed25519", "rsa", 1)
	raw := forge(t, message, tags, key)
	if r := verify(raw, Options{Resolver: zone(t, rsaRecord(t, key))})[0]; r.Result != Pass || r.KeyBits != 1024 {
		t.Errorf("1024 bits: %+v", r)
	}
	bare := "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	if r := verify(raw, Options{Resolver: zone(t, bare)})[0]; r.Result != Pass {
		t.Errorf("the bare form of the key: %+v", r)
	}
	// One bit less: 2^1022 + 1 has 1023 bits. Nothing can be signed with it, nor need
	// be: the size is refused first.
	short := rsa.PublicKey{N: key.N, E: key.E}
	short.N = short.N.SetBit(short.N.Rsh(short.N, 1), 1022, 1)
	der, err := x509.MarshalPKIXPublicKey(&short)
	if err != nil {
		t.Fatal(err)
	}
	record := "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(der)
	if r := verify(raw, Options{Resolver: zone(t, record)})[0]; r.Result != PermError || r.Reason != KeyTooShort {
		t.Errorf("1023 bits: %+v", r)
	}
	// One bit more than is tried, and a key that would take the processor a minute.
	for _, bits := range []int{MaxRSABits + 1, 1 << 18} {
		long := rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), uint(bits-1)), E: key.E}
		long.N.SetBit(long.N, 0, 1)
		if der, err = x509.MarshalPKIXPublicKey(&long); err != nil {
			t.Fatal(err)
		}
		record := "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(der)
		if r := verify(raw, Options{Resolver: zone(t, record)})[0]; r.Result != PermError || r.Reason != KeyTooLong {
			t.Errorf("%d bits: %+v", bits, r)
		}
	}
}

func TestSignaturesAreBounded(t *testing.T) {
	raw := forge(t, message, good, edKey)
	field, _, _ := strings.Cut(raw, "From:")
	for _, n := range []int{DefaultMaxSignatures, DefaultMaxSignatures + 1} {
		header, body := rawmail.Split([]byte(strings.Repeat(field, n) + message))
		results, found := Verify(context.Background(), NewText(header, body), Options{Resolver: zone(t, edRecord), At: at})
		if found != n || len(results) != DefaultMaxSignatures {
			t.Errorf("%d signatures: %d found, %d checked", n, found, len(results))
		}
		for _, r := range results {
			if r.Result != Pass {
				t.Errorf("%+v", r)
			}
		}
	}
}

// The examples of RFC 6376 §3.4.5 and §3.4.6.
func TestCanonicalizationExamples(t *testing.T) {
	header, body := rawmail.Split([]byte("A: X \r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n"))
	text := NewText(header, body)
	join := func(canon Canon) string {
		return string(text.AppendField(text.AppendField(nil, header[0].Raw, canon), header[1].Raw, canon))
	}
	if got := join(Relaxed); got != "a:X\r\nb:Y Z\r\n" {
		t.Errorf("relaxed header %q", got)
	}
	if got := join(Simple); got != "A: X \r\nB : Y\t\r\n\tZ  \r\n" {
		t.Errorf("simple header %q", got)
	}
	digests := text.HashBody([]BodyWant{{Relaxed, -1}, {Simple, -1}, {Relaxed, 4}})
	for i, want := range []string{" C\r\nD E\r\n", " C \r\nD \t E\r\n", " C\r\n"} {
		if digests[i].Sum != sha256.Sum256([]byte(want)) {
			t.Errorf("body %d is not %q", i, want)
		}
	}
	if digests[2].Length != 9 {
		t.Errorf("canonical length %d, want 9", digests[2].Length)
	}
}

// RFC 6376 §3.4.3 and §3.4.4: an empty body is CRLF in simple, nothing in relaxed.
func TestEmptyBodies(t *testing.T) {
	for _, body := range []string{"", "\r\n", "\r\n\r\n"} {
		digests := NewText(nil, []byte(body)).HashBody([]BodyWant{{Simple, -1}, {Relaxed, -1}})
		if digests[0].Sum != sha256.Sum256([]byte("\r\n")) || digests[1].Sum != sha256.Sum256(nil) {
			t.Errorf("%q", body)
		}
	}
}
