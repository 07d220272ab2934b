package retain

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postern-mail/postern/pkg/signet"
)

// A Certificate says what was destroyed, under which policy, when, how, and
// what was checked afterwards. It names items by salted digests: whoever knows an item's
// id can find it, nobody else learns anything.
type Certificate struct {
	Version  int       `json:"version"`
	ID       string    `json:"certificate"`
	Plan     string    `json:"plan"`
	PlanHash string    `json:"plan_hash"`
	Cause    string    `json:"cause"` // expiry, erasure, remainder or lock_over
	Policy   Policy    `json:"policy"`
	Times    Times     `json:"times"`
	Salt     string    `json:"salt"` // 16 bytes, hex
	Items    []Gone    `json:"items"`
	Buckets  []Bucket  `json:"buckets"`
	Cell     Cell      `json:"cell"`
	Checks   []Check   `json:"checks"`
	Issuer   string    `json:"issuer"` // name of the signing key
	Issued   time.Time `json:"issued"`
}

// Policy is the rule that was followed.
type Policy struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// Times are the steps of a destruction.
type Times struct {
	Planned        time.Time `json:"planned"`
	PacketsRemoved time.Time `json:"packets_removed"` // stage 1: the records no longer hold the key packets
	KeysForgotten  time.Time `json:"keys_forgotten"`  // stage 2: copies of the packets have become noise
	Checked        time.Time `json:"checked"`
}

// Gone is one layer of one item.
type Gone struct {
	Item        string `json:"item"` // hex SHA-256 of salt and item id
	Layer       string `json:"layer"`
	Keys        string `json:"keys"`               // gone
	Ciphertext  string `json:"ciphertext"`         // gone, inline, or locked
	Versions    int    `json:"versions,omitempty"` // counted as they were removed from the store; absent where none was
	Markers     int    `json:"markers"`
	Uploads     int    `json:"uploads"`
	LockedUntil string `json:"locked_until"` // day that a lock ends, "" for none
}

// Bucket is a key that was forgotten.
type Bucket struct {
	Bucket     string    `json:"bucket"`
	Generation uint64    `json:"generation"`
	Forgotten  time.Time `json:"forgotten"`
}

// Cell is where the present root is kept, and what is known of its medium's power to forget.
type Cell struct {
	Kind       string `json:"kind"`
	Generation uint64 `json:"generation"`
	Limits     string `json:"limits"`
}

// Check is one thing that was looked at after the destruction.
type Check struct {
	Code   string `json:"code"`
	Count  int    `json:"count"`
	Result string `json:"result"`
}

// ErrCertificate means that a certificate is not what its issuer signed.
var ErrCertificate = errors.New("certificate: it is not what its issuer signed")

// signedCertificate is the file: the certificate and Ed25519 over its bytes as they stand.
type signedCertificate struct {
	Certificate json.RawMessage `json:"certificate"`
	Signature   string          `json:"signature"`
}

const signedPrefix = "postern destruction certificate v1\n"

// ItemDigest names an item in a certificate.
func ItemDigest(salt []byte, item string) string {
	sum := sha256.Sum256(append(bytes.Clone(salt), item...))
	return hex.EncodeToString(sum[:])
}

// Issue signs a certificate. The result is one line of JSON and a line end.
func Issue(certificate Certificate, key ed25519.PrivateKey) ([]byte, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("certificate: the signing key is not Ed25519")
	}
	certificate.Version = 1
	certificate.Issuer = signet.Name(public)
	body, err := json.Marshal(certificate)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	signature := ed25519.Sign(key, append([]byte(signedPrefix), body...))
	return encode(signedCertificate{body, base64.StdEncoding.EncodeToString(signature)})
}

// Verify checks a certificate with the public key alone. The file must be
// byte for byte what Issue wrote: there is one way to write a certificate.
func Verify(file []byte, key ed25519.PublicKey) (Certificate, error) {
	var signed signedCertificate
	if err := strict(file, &signed); err != nil {
		return Certificate{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(signed.Signature)
	if err != nil || !ed25519.Verify(key, append([]byte(signedPrefix), signed.Certificate...), signature) {
		return Certificate{}, fmt.Errorf("%w: the signature does not fit key %s", ErrCertificate, signet.Name(key))
	}
	again, err := encode(signed)
	if err != nil || !bytes.Equal(again, file) {
		return Certificate{}, fmt.Errorf("%w: bytes stand around it that were not signed", ErrCertificate)
	}
	var certificate Certificate
	if err := strict(signed.Certificate, &certificate); err != nil {
		return Certificate{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	if certificate.Version != 1 {
		return Certificate{}, fmt.Errorf("certificate: version %d is not known here", certificate.Version)
	}
	return certificate, nil
}

func strict(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func encode(signed signedCertificate) ([]byte, error) {
	line, err := json.Marshal(signed)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return append(line, '\n'), nil
}

// Speaks says whether a line of the certificate is about an item.
func (c Certificate) Speaks(line Gone, item string) bool {
	salt, err := hex.DecodeString(c.Salt)
	return err == nil && line.Item == ItemDigest(salt, item)
}
