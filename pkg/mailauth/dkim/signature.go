package dkim

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// A Signature is one DKIM-Signature field, or an ARC-Message-Signature, which
// has the same tags (RFC 6376 §3.5, RFC 8617 §4.1.2).
type Signature struct {
	Algorithm   string // a=, lower case
	Domain      string // d=, lower case
	Selector    string // s=, lower case
	AUID        string // i=, "@d" where absent
	HeaderCanon Canon
	BodyCanon   Canon
	Headers     []string // h=, lower case
	BodyHash    []byte   // bh=
	Value       []byte   // b=
	Limit       int64    // l=, -1 where absent
	Time        time.Time
	Expires     time.Time
	Tags        Tags
}

// maxHeaders bounds the names in an h=.
const maxHeaders = 256

// A problem is a reason why a signature or key cannot be used.
type problem struct{ code string }

func (p *problem) Error() string { return "unusable: " + p.code }

func refuse(code string) error { return &problem{code} }

// Code gives the reason code of an error of this package, else fallback.
func Code(err error, fallback string) string {
	var p *problem
	if errors.As(err, &p) {
		return p.code
	}
	return fallback
}

// ParseSignature reads the value of a DKIM-Signature field.
func ParseSignature(value string) (*Signature, error) {
	tags, err := ParseTags(value)
	if err != nil {
		return &Signature{}, refuse(SignatureMalformed)
	}
	sig, err := SignatureOf(tags, Rules{})
	if err == nil && tags.Get("v") != "1" { // RFC 6376 §3.5: v= is required
		err = refuse(VersionUnknown)
	}
	if err == nil {
		err = sig.checkAUID()
	}
	return sig, err
}

// Rules say where an ARC-Message-Signature differs from a DKIM-Signature.
type Rules struct {
	// LooseHeaders lets h= be empty or leave From out.
	LooseHeaders bool
	// Canon is the c= of a signature without one, "simple/simple" where empty.
	Canon string
}

// SignatureOf reads the tags that DKIM and ARC share. The signature is returned
// as far as it could be read even with an error, to say whose it claimed to be.
func SignatureOf(tags Tags, rules Rules) (*Signature, error) {
	sig := &Signature{
		Tags:      tags,
		Algorithm: strings.ToLower(tags.Get("a")),
		Domain:    dns.Clean(squeeze(tags.Get("d"))),
		Selector:  dns.Clean(squeeze(tags.Get("s"))),
		Limit:     -1,
	}
	sig.AUID = squeeze(tags.Get("i"))
	for _, required := range []string{"a", "b", "bh", "d", "h", "s"} { // RFC 6376 §3.5
		if !tags.Has(required) || tags.Get(required) == "" && (required != "h" || !rules.LooseHeaders) {
			return sig, refuse(SignatureMalformed)
		}
	}
	if dns.CheckName(sig.Selector+"._domainkey."+sig.Domain) != nil {
		return sig, refuse(SignatureMalformed)
	}
	switch sig.Algorithm {
	case "rsa-sha256", "ed25519-sha256":
	case "rsa-sha1":
		return sig, refuse(AlgorithmWeak) // RFC 8301 §3.1
	default:
		return sig, refuse(AlgorithmUnknown)
	}
	var err error
	if sig.Value, err = Base64(tags.Get("b")); err != nil {
		return sig, refuse(SignatureMalformed)
	}
	if sig.BodyHash, err = Base64(tags.Get("bh")); err != nil {
		return sig, refuse(SignatureMalformed)
	}
	canon := rules.Canon
	if tags.Has("c") {
		canon = tags.Get("c")
	}
	if err := sig.readCanon(canon); err != nil {
		return sig, err
	}
	if err := sig.readHeaders(tags.Get("h"), rules.LooseHeaders); err != nil {
		return sig, err
	}
	if tags.Has("q") && !hasQuery(tags.Get("q")) {
		return sig, refuse(QueryUnknown)
	}
	return sig, sig.readNumbers(tags)
}

// readCanon reads c=; a lone word names the header's, the body's is then simple
// (RFC 6376 §3.5).
func (s *Signature) readCanon(value string) error {
	s.HeaderCanon, s.BodyCanon = Simple, Simple
	if value == "" {
		return nil
	}
	header, body, both := strings.Cut(strings.ToLower(squeeze(value)), "/")
	s.HeaderCanon = Canon(header)
	if both {
		s.BodyCanon = Canon(body)
	}
	for _, c := range []Canon{s.HeaderCanon, s.BodyCanon} {
		if c != Simple && c != Relaxed {
			return refuse(CanonicalizationUnknown)
		}
	}
	return nil
}

func (s *Signature) readHeaders(value string, loose bool) error {
	names := strings.Split(strings.ToLower(squeeze(value)), ":")
	if len(names) > maxHeaders {
		return refuse(SignatureMalformed)
	}
	from := false
	for _, name := range names {
		if name == "" && !loose {
			return refuse(SignatureMalformed)
		}
		from = from || name == "from"
	}
	s.Headers = names
	if !from && !loose {
		return refuse(FromUnsigned) // RFC 6376 §5.4
	}
	return nil
}

func (s *Signature) readNumbers(tags Tags) error {
	if tags.Has("l") {
		n, ok := number(tags.Get("l"))
		if !ok {
			return refuse(SignatureMalformed)
		}
		s.Limit = n
	}
	for _, tag := range []struct {
		name string
		to   *time.Time
	}{{"t", &s.Time}, {"x", &s.Expires}} {
		if !tags.Has(tag.name) {
			continue
		}
		n, ok := number(tags.Get(tag.name))
		if !ok {
			return refuse(SignatureMalformed)
		}
		*tag.to = time.Unix(n, 0).UTC()
	}
	if !s.Time.IsZero() && !s.Expires.IsZero() && !s.Expires.After(s.Time) {
		return refuse(SignatureMalformed) // RFC 6376 §3.5: x= must be greater than t=
	}
	return nil
}

// checkAUID: the domain of i= is d= or below it (RFC 6376 §3.5).
func (s *Signature) checkAUID() error {
	if s.AUID == "" {
		s.AUID = "@" + s.Domain
	}
	if !strings.Contains(s.AUID, "@") {
		return refuse(SignatureMalformed)
	}
	if !within(s.AUIDDomain(), s.Domain) {
		return refuse(AUIDOutsideDomain)
	}
	return nil
}

// AUIDDomain gives the domain of i=.
func (s *Signature) AUIDDomain() string {
	return dns.Clean(s.AUID[strings.LastIndexByte(s.AUID, '@')+1:])
}

// within reports whether a name is the domain or below it.
func within(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, "."+domain)
}

// number reads decimal digits; twelve are more than any tag needs
// (RFC 6376 §3.5).
func number(s string) (int64, bool) {
	if len(s) == 0 || len(s) > 12 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// Base64 decodes base64 with white space anywhere in it (RFC 6376 §3.2).
func Base64(s string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(squeeze(s))
}

func hasQuery(value string) bool {
	for _, method := range strings.Split(value, ":") {
		if strings.EqualFold(trim(method), "dns/txt") || strings.EqualFold(trim(method), "dns") {
			return true
		}
	}
	return false
}
