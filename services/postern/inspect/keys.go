package inspect

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// checkKeys makes sure that the files of keys and certificates hold some, so that
// a wrong file is wrong usage and not an unknown signer.
func checkKeys(pgp, roots []string) error {
	for _, path := range pgp {
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("--pgp-keys: %w", err)
		}
		binary := len(text) > 0 && text[0]&0x80 != 0 // RFC 9580 §4.2: a packet starts with this bit
		if !binary && !bytes.Contains(text, []byte("-----BEGIN PGP ")) {
			return errors.New("--pgp-keys: no OpenPGP key in the file")
		}
	}
	for _, path := range roots {
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("--smime-roots: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(text) {
			return errors.New("--smime-roots: no certificate in the file")
		}
	}
	return nil
}
