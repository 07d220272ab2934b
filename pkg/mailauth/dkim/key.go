package dkim

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"strings"
	"sync"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// A Key is a key record (RFC 6376 §3.6.1).
type Key struct {
	Type     string // "rsa" or "ed25519"
	Public   crypto.PublicKey
	Bits     int
	Hashes   []string // h=, nil where all are allowed
	Services []string // s=, nil where all are allowed
	Testing  bool     // t=y
	Exact    bool     // t=s: i= must have the very domain of d=
}

// MinRSABits is the least size of an RSA key that counts (RFC 8301 §3.2).
const MinRSABits = 1024

// MaxRSABits is the greatest size of an RSA key that is tried. The work grows with the cube of the
// size, and whoever signs chooses it; RFC 8301 §3.2 asks for 4096.
const MaxRSABits = 8192

// maxKeyRecords bounds the TXT records tried under one selector, of which there
// should be one (RFC 6376 §3.6.2.2).
const maxKeyRecords = 4

// ParseKey reads a key record.
func ParseKey(record string) (*Key, error) {
	tags, err := ParseTags(record)
	if err != nil {
		return nil, refuse(KeyMalformed)
	}
	// RFC 6376 §3.6.1: v= is the first tag where it stands at all.
	if tags.Has("v") && (tags[0].Name != "v" || tags[0].Value != "DKIM1") {
		return nil, refuse(KeyMalformed)
	}
	key := &Key{Type: "rsa"}
	if tags.Has("k") {
		key.Type = strings.ToLower(tags.Get("k"))
	}
	if !tags.Has("p") {
		return nil, refuse(KeyMalformed)
	}
	if tags.Has("h") {
		key.Hashes = words(tags.Get("h"))
	}
	if tags.Has("s") {
		key.Services = words(tags.Get("s"))
	}
	for _, flag := range words(tags.Get("t")) {
		key.Testing = key.Testing || flag == "y"
		key.Exact = key.Exact || flag == "s"
	}
	encoded := tags.Get("p")
	if encoded == "" {
		return nil, refuse(KeyRevoked)
	}
	raw, err := Base64(encoded)
	if err != nil {
		return nil, refuse(KeyMalformed)
	}
	return key, key.readPublic(raw)
}

func (k *Key) readPublic(raw []byte) error {
	switch k.Type {
	case "rsa":
		public, err := x509.ParsePKIXPublicKey(raw)
		if err != nil {
			// RFC 6376 erratum 3017: keys of the bare RSAPublicKey form are in use.
			if public, err = x509.ParsePKCS1PublicKey(raw); err != nil {
				return refuse(KeyMalformed)
			}
		}
		modulus, ok := public.(*rsa.PublicKey)
		if !ok {
			return refuse(KeyTypeMismatch)
		}
		k.Public, k.Bits = modulus, modulus.N.BitLen()
	case "ed25519": // RFC 8463 §4.2: the bare 32 octets
		if len(raw) != ed25519.PublicKeySize {
			return refuse(KeyMalformed)
		}
		k.Public, k.Bits = ed25519.PublicKey(raw), 256
	default:
		return refuse(KeyTypeMismatch)
	}
	return nil
}

// words splits a colon-separated list.
func words(value string) []string {
	if value == "" {
		return nil
	}
	list := strings.Split(value, ":")
	for i := range list {
		list[i] = strings.ToLower(trim(list[i]))
	}
	return list
}

// allows checks the key's restrictions against a signature's algorithm.
func (k *Key) allows(algorithm string) error {
	kind, hash, _ := strings.Cut(algorithm, "-")
	if k.Type != kind {
		return refuse(KeyTypeMismatch)
	}
	if k.Hashes != nil && !contains(k.Hashes, hash) {
		return refuse(KeyHashRefused)
	}
	if k.Services != nil && !contains(k.Services, "*") && !contains(k.Services, "email") {
		return refuse(KeyServiceRefused)
	}
	if k.Type == "rsa" && k.Bits < MinRSABits {
		return refuse(KeyTooShort) // RFC 8301 §3.2
	}
	if k.Type == "rsa" && k.Bits > MaxRSABits {
		return refuse(KeyTooLong)
	}
	return nil
}

func contains(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}

// Verify checks a signature over a SHA-256 digest (RFC 6376 §3.3, RFC 8463 §3).
func (k *Key) Verify(digest, signature []byte) bool {
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest, signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(public, digest, signature)
	}
	return false
}

// A KeyCache remembers key records that were read, by their text, so that the
// same sender's next mail costs no parsing. It is safe for concurrent use; a nil
// cache remembers nothing.
type KeyCache struct {
	mu   sync.Mutex
	keys map[string]*Key
	size int
}

// NewKeyCache makes a cache of at most size keys.
func NewKeyCache(size int) *KeyCache {
	return &KeyCache{keys: make(map[string]*Key), size: size}
}

func (c *KeyCache) parse(record string) (*Key, error) {
	if c == nil {
		return ParseKey(record)
	}
	c.mu.Lock()
	key := c.keys[record]
	c.mu.Unlock()
	if key != nil {
		return key, nil
	}
	key, err := ParseKey(record)
	if err != nil {
		return key, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.keys) >= c.size {
		clear(c.keys)
	}
	c.keys[record] = key
	return key, nil
}

// LookupKeys finds the key records of a selector that allow an algorithm. The
// outcome is Pass with at least one key, TempError or PermError with a code.
func LookupKeys(ctx context.Context, resolver dns.Resolver, cache *KeyCache, domain, selector, algorithm string) ([]*Key, Outcome, string) {
	answer, err := resolver.Lookup(ctx, dns.TXT, selector+"._domainkey."+domain)
	switch {
	case dns.IsTemporary(err):
		return nil, TempError, KeyUnavailable
	case err != nil:
		return nil, PermError, KeyNotFound
	}
	var keys []*Key
	code := KeyNotFound
	for i, record := range answer.Texts {
		if i == maxKeyRecords {
			break
		}
		key, err := cache.parse(record)
		if err == nil {
			err = key.allows(algorithm)
		}
		if err != nil {
			code = Code(err, KeyMalformed)
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, PermError, code
	}
	return keys, Pass, ""
}
