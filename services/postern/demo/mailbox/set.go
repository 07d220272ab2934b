package mailbox

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// TrustedMX is the company's own mail exchanger.
const TrustedMX = "mx.brightwater.example"

// Domain and Company are who the mails were written to.
const (
	Domain  = "brightwater.example"
	Company = "Brightwater"
)

const recipient = "support@brightwater.example"

// keyBits of the key that signs; 2048 is what RFC 8301 §3.2 asks of signers.
const keyBits = 2048

// A Set is the mails and what the DNS says of their senders.
type Set struct {
	Mails []Mail
	Zone  map[string]*dns.Entry
}

// An origin is what makes one set of mails: the same origin, the same bytes.
type origin struct {
	Now time.Time `json:"now"`
	Key []byte    `json:"key"` // PKCS #1
}

// New makes a set of mails that came in the days before now, with a fresh signing key.
func New(now time.Time) (Set, error) {
	o, err := newOrigin(now)
	if err != nil {
		return Set{}, err
	}
	return o.build()
}

func newOrigin(now time.Time) (origin, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return origin{}, err
	}
	return origin{Now: now.UTC().Truncate(time.Second), Key: x509.MarshalPKCS1PrivateKey(key)}, nil
}

// Load builds the set that dir remembers, or a new one that it will remember.
func Load(dir string) (Set, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Set{}, err
	}
	path := filepath.Join(dir, "origin.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		o, err := newOrigin(time.Now())
		if err != nil {
			return Set{}, err
		}
		if text, err = json.Marshal(o); err != nil {
			return Set{}, err
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return Set{}, err
		}
		return o.build()
	}
	if err != nil {
		return Set{}, err
	}
	var o origin
	if err := json.Unmarshal(text, &o); err != nil {
		return Set{}, fmt.Errorf("%s: %w", path, err)
	}
	return o.build()
}

func (o origin) build() (Set, error) {
	key, err := x509.ParsePKCS1PrivateKey(o.Key)
	if err != nil {
		return Set{}, fmt.Errorf("signing key: %w", err)
	}
	set := Set{Zone: zone(&key.PublicKey)}
	for _, e := range envelopes {
		came := o.Now.Add(-e.ago)
		message, err := e.write(came)
		if err != nil {
			return Set{}, fmt.Errorf("mail %s: %w", e.name, err)
		}
		var raw bytes.Buffer
		fmt.Fprintf(&raw, "Return-Path: <%s>\r\n", e.from)
		// RFC 5321 §4.4: what our own exchanger says stands on top.
		fmt.Fprintf(&raw, "Received: from %s (%s [%s])\r\n\tby %s (Postfix) with ESMTPS id %s\r\n\tfor <%s>; %s\r\n",
			e.host, e.host, e.ip, TrustedMX, queueID(e.name), recipient, came.Format(time.RFC1123Z))
		if e.signer != "" {
			signature, err := sign(message, e.signer, key)
			if err != nil {
				return Set{}, fmt.Errorf("mail %s: %w", e.name, err)
			}
			raw.WriteString(signature)
		}
		raw.Write(message)
		set.Mails = append(set.Mails, Mail{Name: e.name, Raw: raw.Bytes(), Came: came})
	}
	return set, nil
}
