// Package redact gives personal data types that cannot be printed by accident:
// every formatting verb, slog handler and encoder shows a placeholder. Reading
// the value takes a call to Reveal, which is easy to find in a review.
package redact

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// An Address is a mail address.
type Address struct{ hidden }

// A Subject is a subject line.
type Subject struct{ hidden }

// A Text is any other words that a customer wrote.
type Text struct{ hidden }

// A Name is what a person is called, or a file that a person named.
type Name struct{ hidden }

// NewAddress hides a mail address.
func NewAddress(value string) Address { return Address{hidden{&value, "‹address›"}} }

// NewSubject hides a subject line.
func NewSubject(value string) Subject { return Subject{hidden{&value, "‹subject›"}} }

// NewText hides a customer's words.
func NewText(value string) Text { return Text{hidden{&value, "‹text›"}} }

// NewName hides the name of a person or of a person's file.
func NewName(value string) Name { return Name{hidden{&value, "‹name›"}} }

// hidden implements every interface through which Go prints or encodes a value.
// The value stands behind a pointer because %p asks no Formatter and prints the
// fields of a struct as they are.
type hidden struct {
	value *string
	label string
}

// Reveal gives the value itself, for the work that needs it.
func (h hidden) Reveal() string {
	if h.value == nil {
		return ""
	}
	return *h.value
}

// Empty says whether there is no value, which is no secret.
func (h hidden) Empty() bool { return h.Reveal() == "" }

func (h hidden) placeholder() string {
	if h.label == "" {
		return "‹empty›"
	}
	return h.label
}

func (h hidden) String() string   { return h.placeholder() }
func (h hidden) GoString() string { return h.placeholder() }

// Format answers every verb, flags and widths included, with the placeholder.
func (h hidden) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, h.placeholder()) }

// LogValue keeps the value out of slog, whatever its handler.
func (h hidden) LogValue() slog.Value { return slog.StringValue(h.placeholder()) }

// MarshalJSON keeps the value out of JSON.
func (h hidden) MarshalJSON() ([]byte, error) { return json.Marshal(h.placeholder()) }

// MarshalText keeps the value out of XML, YAML and map keys.
func (h hidden) MarshalText() ([]byte, error) { return []byte(h.placeholder()), nil }

// MarshalBinary keeps the value out of gob and its like.
func (h hidden) MarshalBinary() ([]byte, error) { return []byte(h.placeholder()), nil }
