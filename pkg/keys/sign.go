package keys

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/types/known/timestamppb"

	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// NonceSize is the length of a request's nonce in bytes.
const NonceSize = 16

// ErrSignature says that a request is not signed by the nkey it names.
var ErrSignature = errors.New("keys: request is not signed by its caller")

// signedAs separates these signatures from everything else that an nkey signs.
const signedAs = "postern keyring.v1.Signed"

// A Signer signs requests with a service's nkey.
type Signer struct {
	private ed25519.PrivateKey // kept ready: an nkey's pair derives it anew for each signature
	public  string
}

// NewSigner reads a user nkey's seed ("SU…"). The seed is not kept.
func NewSigner(seed []byte) (*Signer, error) {
	pair, err := nkeys.FromSeed(append([]byte(nil), seed...))
	if err != nil {
		return nil, fmt.Errorf("nkey seed: %w", err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("nkey seed: %w", err)
	}
	if !nkeys.IsValidPublicUserKey(public) {
		return nil, errors.New("nkey seed: not a user's")
	}
	_, raw, err := nkeys.DecodeSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("nkey seed: %w", err)
	}
	defer clear(raw)
	return &Signer{private: ed25519.NewKeyFromSeed(raw), public: public}, nil
}

// Public gives the public nkey ("U…").
func (s *Signer) Public() string { return s.public }

// Sign makes a request of an operation and its body, with a fresh nonce.
func (s *Signer) Sign(operation string, body []byte, now time.Time) (*keyringv1.Signed, error) {
	return s.sign(&keyringv1.Signed{Operation: operation, Body: body}, now), nil
}

// SignSeveral makes one request of several bodies of an operation.
func (s *Signer) SignSeveral(operation string, bodies [][]byte, now time.Time) *keyringv1.Signed {
	return s.sign(&keyringv1.Signed{Operation: operation, Bodies: bodies}, now)
}

func (s *Signer) sign(signed *keyringv1.Signed, now time.Time) *keyringv1.Signed {
	signed.Caller, signed.Nonce, signed.Time = s.public, newNonce(), timestamppb.New(now)
	signed.Signature = ed25519.Sign(s.private, canonical(signed))
	return signed
}

// Verify checks a request's signature by the nkey that it names. Who that is, whether the
// time is near and whether the nonce is new are the keyring's to judge.
func Verify(signed *keyringv1.Signed) error {
	if len(signed.Nonce) != NonceSize || signed.Time.CheckValid() != nil || len(signed.Signature) != ed25519.SignatureSize {
		return ErrSignature
	}
	if !nkeys.IsValidPublicUserKey(signed.Caller) {
		return ErrSignature
	}
	key, err := nkeys.FromPublicKey(signed.Caller)
	if err != nil {
		return ErrSignature
	}
	if err := key.Verify(canonical(signed), signed.Signature); err != nil {
		return ErrSignature
	}
	return nil
}

// canonical is the text that is signed: each field after its length, 8 bytes big endian,
// so no two requests have the same.
func canonical(s *keyringv1.Signed) []byte {
	var clock [12]byte
	binary.BigEndian.PutUint64(clock[:8], uint64(s.Time.GetSeconds()))
	binary.BigEndian.PutUint32(clock[8:], uint32(s.Time.GetNanos()))
	fields := append([][]byte{[]byte(signedAs), []byte(s.Caller), []byte(s.Operation), s.Nonce, clock[:], s.Body}, s.Bodies...)
	size := 0
	for _, f := range fields {
		size += 8 + len(f)
	}
	out := make([]byte, 0, size)
	for _, f := range fields {
		out = binary.BigEndian.AppendUint64(out, uint64(len(f)))
		out = append(out, f...)
	}
	return out
}
