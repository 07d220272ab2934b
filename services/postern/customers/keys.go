package customers

import (
	"github.com/postern-mail/postern/pkg/signature"
)

// appendOpenPGP adds the keys of a ring, each for itself, in their binary form.
func appendOpenPGP(keys [][]byte, ring []byte) ([][]byte, error) {
	found, err := signature.SplitOpenPGP(ring)
	return append(keys, found...), err
}

// appendCertificates adds certificates in PEM or DER, each for itself.
func appendCertificates(certificates [][]byte, text []byte) ([][]byte, error) {
	found, err := signature.SplitCertificates(text)
	return append(certificates, found...), err
}
