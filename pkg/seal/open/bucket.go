// Package open opens what package seal sealed. Importing it is the right to read, so few
// do. Plaintext comes out of a data packet before its integrity check at the end
// (RFC 4880 §5.13): All returns bytes only after that check, and a Reader says in its
// comment what may not be done before io.EOF. Session keys come from the keyring through
// an Opener, which writes a record first; only the keyring itself has bucket keys.
package open

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	pgp "github.com/ProtonMail/gopenpgp/v2/crypto"

	"github.com/postern-mail/postern/pkg/seal"
)

var (
	// ErrBucketKey says that a bucket's private key cannot be used, or has been cleared.
	ErrBucketKey = errors.New("seal/open: unusable bucket key")
	// ErrKeyPacket says that a key packet does not open with the bucket's key.
	ErrKeyPacket = errors.New("seal/open: key packet does not open")
)

// A BucketKey is both halves of a bucket's key: X25519 for wrapping, under an Ed25519
// primary key as OpenPGP wants it. It prints as ‹bucket key›. It may be used by many
// goroutines at once, but not while it is being cleared.
type BucketKey struct {
	recipient *seal.Recipient
	ring      *pgp.KeyRing
}

// GenerateBucketKey draws a key for a bucket; the bucket's id is its user id.
func GenerateBucketKey(bucket string) (*BucketKey, error) {
	key, err := pgp.GenerateKey(bucket, "", "x25519", 0)
	if err != nil {
		return nil, fmt.Errorf("bucket key %s: %w", bucket, err)
	}
	return newBucketKey(bucket, key)
}

// ParseBucketKey reads the OpenPGP binary private key that Private gave.
func ParseBucketKey(bucket string, private []byte) (*BucketKey, error) {
	key, err := pgp.NewKey(private)
	if err != nil || !key.IsPrivate() {
		return nil, fmt.Errorf("bucket %s: %w", bucket, ErrBucketKey)
	}
	return newBucketKey(bucket, key)
}

func newBucketKey(bucket string, key *pgp.Key) (*BucketKey, error) {
	public, err := key.GetPublicKey()
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", bucket, ErrBucketKey)
	}
	recipient, err := seal.NewRecipient(bucket, public)
	if err != nil {
		return nil, err
	}
	ring, err := pgp.NewKeyRing(key)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", bucket, ErrBucketKey)
	}
	return &BucketKey{recipient: recipient, ring: ring}, nil
}

// Recipient gives the public half.
func (b *BucketKey) Recipient() *seal.Recipient { return b.recipient }

// Private gives the private key as OpenPGP binary, without a passphrase: for the keyring's
// encrypted state, and for an auditor's gpg. The caller clears it.
func (b *BucketKey) Private() ([]byte, error) {
	if b.ring == nil {
		return nil, ErrBucketKey
	}
	key, err := b.ring.GetKey(0)
	if err != nil {
		return nil, ErrBucketKey
	}
	return key.Serialize()
}

// Unwrap opens a key packet. The packet must be exactly one of seal.KeyPacketSize bytes.
// The caller clears the session key.
func (b *BucketKey) Unwrap(keyPacket []byte) (*seal.SessionKey, error) {
	if b == nil || b.ring == nil {
		return nil, ErrBucketKey
	}
	if len(keyPacket) != seal.KeyPacketSize {
		return nil, ErrKeyPacket
	}
	session, err := b.ring.DecryptSessionKey(keyPacket)
	if err != nil || session.V6 {
		return nil, ErrKeyPacket // the cause could tell of the packet, which is not ours
	}
	key, err := seal.SessionKeyFrom(session.Key)
	if err != nil {
		session.Clear()
		return nil, ErrKeyPacket
	}
	return key, nil
}

// Clear overwrites the private half. Nothing opens with it afterwards.
func (b *BucketKey) Clear() {
	if b == nil || b.ring == nil {
		return
	}
	b.ring.ClearPrivateParams()
	b.ring = nil
}

const shown = "‹bucket key›"

// Format prints the key's kind, whatever the verb.
func (b *BucketKey) Format(s fmt.State, _ rune) { io.WriteString(s, shown) } //nolint:errcheck // fmt gives no way out

// LogValue keeps the key out of logs.
func (b *BucketKey) LogValue() slog.Value { return slog.StringValue(shown) }

// MarshalText keeps the key out of JSON and of everything else that asks for text.
func (b *BucketKey) MarshalText() ([]byte, error) { return []byte(shown), nil }
