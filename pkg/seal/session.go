package seal

import (
	"fmt"
	"io"
	"log/slog"

	pgp "github.com/ProtonMail/gopenpgp/v2/crypto"
)

// SessionKeySize is the length of a session key in bytes (AES-256).
const SessionKeySize = 32

// A SessionKey is the key of one layer. It prints as ‹session key›. Whoever has one clears
// it as soon as the mail at hand is done. It must not be used while it is being cleared.
type SessionKey struct {
	key []byte
}

// NewSessionKey draws a fresh session key.
func NewSessionKey() (*SessionKey, error) {
	key, err := pgp.RandomToken(SessionKeySize)
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	return &SessionKey{key: key}, nil
}

// SessionKeyFrom takes over the 32 bytes of an AES-256 session key: Clear overwrites them.
func SessionKeyFrom(key []byte) (*SessionKey, error) {
	if len(key) != SessionKeySize {
		return nil, ErrSessionKey
	}
	return &SessionKey{key: key}, nil
}

// Bytes gives the key itself, not a copy, and nil once it has been cleared.
func (k *SessionKey) Bytes() []byte {
	if k == nil {
		return nil
	}
	return k.key
}

// Clone gives a copy that is cleared on its own.
func (k *SessionKey) Clone() *SessionKey {
	if k == nil || k.key == nil {
		return &SessionKey{}
	}
	return &SessionKey{key: append([]byte(nil), k.key...)}
}

// Clear overwrites the key. It may be called again and on nil.
func (k *SessionKey) Clear() {
	if k == nil {
		return
	}
	clear(k.key)
	k.key = nil
}

func (k *SessionKey) pgp() (*pgp.SessionKey, error) {
	if k == nil || len(k.key) != SessionKeySize {
		return nil, ErrSessionKey
	}
	return &pgp.SessionKey{Key: k.key, Algo: algorithm}, nil
}

const shown = "‹session key›"

// Format prints the key's kind, whatever the verb.
func (k *SessionKey) Format(s fmt.State, _ rune) { io.WriteString(s, shown) } //nolint:errcheck // fmt gives no way out

// LogValue keeps the key out of logs.
func (k *SessionKey) LogValue() slog.Value { return slog.StringValue(shown) }

// MarshalText keeps the key out of JSON and of everything else that asks for text.
func (k *SessionKey) MarshalText() ([]byte, error) { return []byte(shown), nil }
