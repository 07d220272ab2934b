package keyring

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// periodOf names the period of a time: its year, UTC.
func periodOf(t time.Time) string { return t.UTC().Format("2006") }

// pseudonymFor is HMAC-SHA256 of the normalised address under the period's key, named with
// the period: 2026.<64 hex>.
func (p *period) pseudonymFor(address string) string {
	h := hmac.New(sha256.New, p.pseudonym)
	h.Write([]byte(normalAddress(address)))
	return p.name + "." + hex.EncodeToString(h.Sum(nil))
}

// digestOf is HMAC-SHA256 of a digest under the period's key.
func (p *period) digestOf(sum []byte) []byte {
	h := hmac.New(sha256.New, p.digest)
	h.Write(sum)
	return h.Sum(nil)
}

// normalAddress brings the forms of one address together: what stands in angle brackets,
// without spaces and a dot at its end, in lower case. RFC 5321 §2.4 lets a local part tell
// case apart; nobody's mailboxes do, and a rights request must find all of a person's mail.
func normalAddress(address string) string {
	if open := strings.LastIndexByte(address, '<'); open >= 0 {
		address = address[open+1:]
		if end := strings.IndexByte(address, '>'); end >= 0 {
			address = address[:end]
		}
	}
	return strings.ToLower(strings.TrimSuffix(strings.TrimSpace(address), "."))
}
