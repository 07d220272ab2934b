package signature

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/postern-mail/postern/pkg/mail"
)

// Used are the keys of others that the answers about a message rest on: with them alone
// every answer is the same. There is no private key among them.
type Used struct {
	OpenPGP      [][]byte `json:"openpgp,omitempty"`      // certificates as of RFC 9580 §10.1
	Certificates [][]byte `json:"certificates,omitempty"` // DER, of signers and between
	Roots        [][]byte `json:"roots,omitempty"`        // DER
	Revocations  [][]byte `json:"revocations,omitempty"`  // DER
	Lost         int      `json:"lost,omitempty"`         // keys that could not be written down
}

// Count tells how many keys and certificates there are.
func (u Used) Count() int { return len(u.OpenPGP) + len(u.Certificates) + len(u.Roots) }

// Keys gives the keys to check with again.
func (u Used) Keys() (Keys, error) {
	var k Keys
	for _, ring := range u.OpenPGP {
		entities, err := openpgp.ReadKeyRing(bytes.NewReader(ring))
		if err != nil {
			return Keys{}, fmt.Errorf("key ring: %w", err)
		}
		k.pgp = append(k.pgp, entities...)
	}
	for _, list := range []struct {
		ders [][]byte
		add  func([]byte) error
	}{{u.Certificates, k.AddCertificates}, {u.Roots, k.AddRoots}, {u.Revocations, k.AddRevocations}} {
		for _, der := range list.ders {
			if err := list.add(der); err != nil {
				return Keys{}, err
			}
		}
	}
	return k, nil
}

// Examine is Check and says what its answers rest on.
func Examine(msg *mail.Message, keys Keys, at time.Time) ([]Result, Used) {
	c := newChecker(msg, keys, at)
	results := c.check()
	return results, c.needed.used()
}

// needed collects what a checker looked at.
type needed struct {
	entities []*openpgp.Entity
	chained  []*x509.Certificate // whose chains were looked for, or that stand beside such
	keys     Keys
}

func (n *needed) pgp(candidates []openpgp.Key) {
	for _, key := range candidates {
		if !slices.Contains(n.entities, key.Entity) {
			n.entities = append(n.entities, key.Entity)
		}
	}
}

func (n *needed) smime(signer *x509.Certificate, beside []*x509.Certificate) {
	n.chained = append(append(n.chained, signer), beside...)
}

// used gives what could have been part of a chain from the certificates looked at, whether
// there was one or not: that there is none rests on the same.
func (n *needed) used() Used {
	var u Used
	for _, entity := range n.entities {
		var out bytes.Buffer
		if err := entity.Serialize(&out); err != nil {
			u.Lost++
			continue
		}
		u.OpenPGP = append(u.OpenPGP, out.Bytes())
	}
	queue, seen := slices.Clone(n.chained), map[string]bool{}
	for len(queue) > 0 {
		cert := queue[0]
		queue = queue[1:]
		if seen[string(cert.Raw)] {
			continue
		}
		seen[string(cert.Raw)] = true
		for _, known := range n.keys.certs {
			if known.Equal(cert) {
				u.Certificates = append(u.Certificates, cert.Raw)
				break
			}
		}
		for _, known := range n.keys.certs {
			if bytes.Equal(known.RawSubject, cert.RawIssuer) {
				queue = append(queue, known)
			}
		}
		for _, root := range n.keys.anchors {
			if (bytes.Equal(root.RawSubject, cert.RawIssuer) || root.Equal(cert)) && !contains(u.Roots, root.Raw) {
				u.Roots = append(u.Roots, root.Raw)
			}
		}
		for _, list := range n.keys.crls {
			if bytes.Equal(list.RawIssuer, cert.RawIssuer) && !contains(u.Revocations, list.Raw) {
				u.Revocations = append(u.Revocations, list.Raw)
			}
		}
	}
	return u
}

func contains(all [][]byte, one []byte) bool {
	return slices.ContainsFunc(all, func(b []byte) bool { return bytes.Equal(b, one) })
}
