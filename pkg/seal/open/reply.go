package open

import (
	"crypto/ecdh"
	"crypto/hpke"
	"fmt"

	"github.com/postern-mail/postern/pkg/seal"
)

// Session keys travel from the keyring under HPKE in base mode (RFC 9180 §5.1.1) with
// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM, to a key that is used once. The
// context is bound to the request's nonce, each key to its item's id; keys are sealed and
// opened in the order of the request.

const replyInfo = "postern keyring.v1.Opened"

func replySuite() (hpke.KEM, hpke.KDF, hpke.AEAD) {
	return hpke.DHKEM(ecdh.X25519()), hpke.HKDFSHA256(), hpke.AES256GCM()
}

func info(nonce []byte) []byte { return append([]byte(replyInfo), nonce...) }

// A ReplySealer is the keyring's end of an answer.
type ReplySealer struct {
	sender       *hpke.Sender
	Encapsulated []byte
}

// NewReplySealer begins an answer to a one-time public key (32 bytes) and a request's nonce.
func NewReplySealer(replyKey, nonce []byte) (*ReplySealer, error) {
	kem, kdf, aead := replySuite()
	public, err := kem.NewPublicKey(replyKey)
	if err != nil {
		return nil, fmt.Errorf("reply key: %w", err)
	}
	encapsulated, sender, err := hpke.NewSender(public, kdf, aead, info(nonce))
	if err != nil {
		return nil, fmt.Errorf("reply key: %w", err)
	}
	return &ReplySealer{sender: sender, Encapsulated: encapsulated}, nil
}

// Seal seals the next session key for an item.
func (r *ReplySealer) Seal(item string, key *seal.SessionKey) ([]byte, error) {
	if len(key.Bytes()) != seal.SessionKeySize {
		return nil, seal.ErrSessionKey
	}
	return r.sender.Seal([]byte(item), key.Bytes())
}

// A replyOpener is the caller's end.
type replyOpener struct {
	private   hpke.PrivateKey
	recipient *hpke.Recipient
}

func newReplyOpener() (*replyOpener, error) {
	kem, _, _ := replySuite()
	private, err := kem.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("reply key: %w", err)
	}
	return &replyOpener{private: private}, nil
}

func (r *replyOpener) public() []byte { return r.private.PublicKey().Bytes() }

func (r *replyOpener) begin(encapsulated, nonce []byte) error {
	_, kdf, aead := replySuite()
	recipient, err := hpke.NewRecipient(encapsulated, r.private, kdf, aead, info(nonce))
	if err != nil {
		return fmt.Errorf("reply: %w", err)
	}
	r.recipient = recipient
	return nil
}

func (r *replyOpener) open(item string, sealed []byte) (*seal.SessionKey, error) {
	key, err := r.recipient.Open([]byte(item), sealed)
	if err != nil {
		return nil, fmt.Errorf("reply: %w", err)
	}
	return seal.SessionKeyFrom(key)
}
