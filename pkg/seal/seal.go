// Package seal writes layers: bytes encrypted as OpenPGP data packets under a session
// key of their own, and the session key wrapped to a bucket's public key (RFC 4880: a
// version 3 public-key encrypted session key and integrity protected data packets, which
// every gpg reads; RFC 9580 calls them PKESK v3 and SEIPD v1). It holds public keys only
// and cannot open anything: opening is seal/open, and importing that is the right to read.
package seal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/ProtonMail/gopenpgp/v2/constants"
	pgp "github.com/ProtonMail/gopenpgp/v2/crypto"
)

// KeyPacketSize is the length of a key packet in bytes: an AES-256 session key wrapped to
// one X25519 key (RFC 6637 §10, with curve 1.3.6.1.4.1.3029.1.5.1).
const KeyPacketSize = 96

// maxPublicKey bounds a public key in bytes; ours have some 400.
const maxPublicKey = 16 << 10

var (
	// ErrPublicKey says that a bucket's public key is not one OpenPGP key that can be encrypted to.
	ErrPublicKey = errors.New("seal: unusable public key")
	// ErrSessionKey says that a session key is not 32 bytes or has been cleared.
	ErrSessionKey = errors.New("seal: unusable session key")
)

// A Recipient is a bucket that layers are sealed to: its id and its public key. It may be
// used by many goroutines at once.
type Recipient struct {
	bucket string
	public []byte
	ring   *pgp.KeyRing
}

// NewRecipient reads a bucket's OpenPGP binary public key. Private keys are refused.
func NewRecipient(bucket string, publicKey []byte) (*Recipient, error) {
	if bucket == "" || len(publicKey) == 0 || len(publicKey) > maxPublicKey {
		return nil, ErrPublicKey
	}
	key, err := pgp.NewKey(publicKey)
	if err != nil || key.IsPrivate() || !key.CanEncrypt() {
		return nil, fmt.Errorf("bucket %s: %w", bucket, ErrPublicKey)
	}
	ring, err := pgp.NewKeyRing(key)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", bucket, ErrPublicKey)
	}
	return &Recipient{bucket: bucket, public: append([]byte(nil), publicKey...), ring: ring}, nil
}

// Bucket gives the bucket's id.
func (r *Recipient) Bucket() string { return r.bucket }

// PublicKey gives a copy of the bucket's OpenPGP binary public key.
func (r *Recipient) PublicKey() []byte { return append([]byte(nil), r.public...) }

// Wrap gives the key packet of k for this bucket: KeyPacketSize bytes.
func (r *Recipient) Wrap(k *SessionKey) ([]byte, error) {
	session, err := k.pgp()
	if err != nil {
		return nil, err
	}
	packet, err := r.ring.EncryptSessionKey(session)
	if err != nil {
		return nil, fmt.Errorf("wrap for bucket %s: %w", r.bucket, err)
	}
	if len(packet) != KeyPacketSize {
		return nil, fmt.Errorf("wrap for bucket %s: %w", r.bucket, ErrPublicKey)
	}
	return packet, nil
}

// Recipients keeps read public keys, because reading one costs more than wrapping for it.
// The zero value is ready. It may be used by many goroutines at once.
type Recipients struct {
	mu   sync.Mutex
	kept map[[sha256.Size]byte]*Recipient
}

// maxRecipients bounds what Recipients keeps; past it the oldest choice is not preserved,
// everything is read anew.
const maxRecipients = 1024

// Get gives the recipient for a bucket and its public key, read once.
func (rs *Recipients) Get(bucket string, publicKey []byte) (*Recipient, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s", len(bucket), bucket)
	h.Write(publicKey)
	name := [sha256.Size]byte(h.Sum(nil))
	rs.mu.Lock()
	r := rs.kept[name]
	rs.mu.Unlock()
	if r != nil {
		return r, nil
	}
	r, err := NewRecipient(bucket, publicKey)
	if err != nil {
		return nil, err
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.kept == nil || len(rs.kept) >= maxRecipients {
		rs.kept = make(map[[sha256.Size]byte]*Recipient)
	}
	rs.kept[name] = r
	return r, nil
}

const algorithm = constants.AES256
