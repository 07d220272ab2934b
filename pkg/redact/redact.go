// Package redact gives secrets a type that cannot be printed by accident: every
// formatting verb, slog handler and encoder shows a placeholder. Reading the value takes a
// call to Reveal, which is easy to find in a review. What customers write has no type of
// its own here: the log itself admits none of it (pkg/run).
package redact

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

const placeholder = "‹secret›"

// A Secret implements every interface through which Go prints or encodes a value. The
// value stands behind a pointer because %p asks no Formatter and prints the fields of a
// struct as they are.
type Secret struct{ value *string }

// NewSecret hides a password, a token or a key.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal gives the value itself, for the work that needs it; "" where there is none.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

func (s Secret) String() string   { return placeholder }
func (s Secret) GoString() string { return placeholder }

// Format answers every verb, flags and widths included, with the placeholder.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, placeholder) }

// LogValue keeps the value out of slog, whatever its handler.
func (s Secret) LogValue() slog.Value { return slog.StringValue(placeholder) }

// MarshalJSON keeps the value out of JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(placeholder) }

// MarshalText keeps the value out of XML, YAML and map keys.
func (s Secret) MarshalText() ([]byte, error) { return []byte(placeholder), nil }

// MarshalBinary keeps the value out of gob and its like.
func (s Secret) MarshalBinary() ([]byte, error) { return []byte(placeholder), nil }
