package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// certificateMost is the longest certificate that is read, in bytes. Retention writes none
// that is longer.
const certificateMost = 256 << 20

// valueMost is the longest single value in a certificate, in bytes: lists are read one by
// one.
const valueMost = 1 << 20

// certificateLines is how many destroyed layers the page of a certificate lists; its file
// lists all.
const certificateLines = 1000

// CertificateObject names a certificate's object in the vault, for those that are too long
// to ride in their event.
func CertificateObject(id string) string { return "certificates/" + strings.ToLower(id) + ".json" }

// errCertificate means that what stands in a certificate's place is not that certificate.
var errCertificate = errors.New("desk: it is not the certificate that was issued")

// A certificate is what pages show of one, without trusting it: verifying is for whoever
// holds the public key.
type certificate struct {
	ID     string
	Plan   string
	Cause  string
	Policy struct {
		Name   string `json:"name"`
		Digest string `json:"digest"`
	}
	Times struct {
		Planned        time.Time `json:"planned"`
		PacketsRemoved time.Time `json:"packets_removed"`
		KeysForgotten  time.Time `json:"keys_forgotten"`
		Checked        time.Time `json:"checked"`
	}
	Items   []destroyedLayer // the first of them
	Count   int              // how many there are
	Buckets int              // how many keys were forgotten
	Cell    struct {
		Kind       string `json:"kind"`
		Generation uint64 `json:"generation"`
		Limits     string `json:"limits"`
	}
	Checks []destructionCheck
	Issuer string
	Issued time.Time
}

type destroyedLayer struct {
	Item        string `json:"item"`
	Layer       string `json:"layer"`
	Keys        string `json:"keys"`
	Ciphertext  string `json:"ciphertext"`
	Versions    int    `json:"versions"`
	LockedUntil string `json:"locked_until"`
}

type destructionCheck struct {
	Code   string `json:"code"`
	Count  int    `json:"count"`
	Result string `json:"result"`
}

// Tells says whether a check is one to show: its result is a sentence about what it
// counted, and where nothing is under a lock there is nothing to say of locks.
func (c destructionCheck) Tells() bool { return c.Code != "objects_locked" || c.Count > 0 }

// readCertificate reads the file of a certificate, keeping the first lines of what may be
// very many, and refuses one that is another's.
func readCertificate(certified *retentionv1.Certified, file io.Reader, lines int) (certificate, error) {
	var c certificate
	bounded := &boundedReader{file: file}
	decoder := json.NewDecoder(bounded)
	bounded.used = decoder.InputOffset
	places := map[string]any{
		"certificate": &c.ID, "plan": &c.Plan, "cause": &c.Cause, "policy": &c.Policy, "times": &c.Times,
		"cell": &c.Cell, "checks": &c.Checks, "issuer": &c.Issuer, "issued": &c.Issued,
	}
	err := eachField(decoder, func(name string) error {
		if name != "certificate" {
			return decoder.Decode(new(json.RawMessage))
		}
		return eachField(decoder, func(name string) error {
			switch name {
			case "items":
				return eachElement(decoder, func() error { return c.readItem(decoder, lines) })
			case "buckets":
				return eachElement(decoder, func() error {
					c.Buckets++
					return decoder.Decode(new(json.RawMessage))
				})
			}
			if place, known := places[name]; known {
				return decoder.Decode(place)
			}
			return decoder.Decode(new(json.RawMessage))
		})
	})
	switch {
	case err == nil && c.ID != certified.GetCertificate(), err == nil && c.Plan != certified.GetPlan() && certified.GetPlan() != "":
		err = errCertificate
	}
	if err != nil {
		return certificate{}, fmt.Errorf("certificate %s: %w", certified.GetCertificate(), err)
	}
	return c, nil
}

func (c *certificate) readItem(decoder *json.Decoder, lines int) error {
	var item destroyedLayer
	if err := decoder.Decode(&item); err != nil {
		return err
	}
	if c.Count++; c.Count <= lines {
		c.Items = append(c.Items, item)
	}
	return nil
}

// A boundedReader bounds a file, and what a decoder keeps of it at once.
type boundedReader struct {
	file io.Reader
	read int64
	used func() int64 // how far the decoder has come
}

func (b *boundedReader) Read(p []byte) (int, error) {
	ahead := b.read - b.used()
	switch {
	case b.read > certificateMost:
		return 0, fmt.Errorf("it is over %d bytes", certificateMost)
	case ahead > valueMost:
		return 0, fmt.Errorf("it has a value of over %d bytes", valueMost)
	}
	n, err := b.file.Read(p[:min(int64(len(p)), valueMost+1-ahead)])
	b.read += int64(n)
	return n, err
}

// eachElement calls read for each element of a list, which must take it.
func eachElement(decoder *json.Decoder, read func() error) error {
	if err := expect(decoder, json.Delim('[')); err != nil {
		return err
	}
	for decoder.More() {
		if err := read(); err != nil {
			return err
		}
	}
	return expect(decoder, json.Delim(']'))
}

// eachField calls read for each field of an object, which must take its value.
func eachField(decoder *json.Decoder, read func(name string) error) error {
	if err := expect(decoder, json.Delim('{')); err != nil {
		return err
	}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return errCertificate
		}
		if err := read(name); err != nil {
			return err
		}
	}
	return expect(decoder, json.Delim('}'))
}

func expect(decoder *json.Decoder, want json.Delim) error {
	token, err := decoder.Token()
	if err == nil && token != want {
		err = errCertificate
	}
	return err
}
