package inspect

import (
	"bytes"
	"fmt"
	"os"

	"github.com/postern-mail/postern/pkg/signature"
)

// readKeys reads the files of keys and certificates, so that a wrong file is wrong usage
// and not an unknown signer.
func readKeys(pgp, roots []string) (signature.Keys, error) {
	var keys signature.Keys
	for _, path := range pgp {
		text, err := readFull(path)
		if err == nil {
			err = keys.AddOpenPGP(text)
		}
		if err != nil {
			return keys, fmt.Errorf("--pgp-keys: %w", err)
		}
	}
	for _, path := range roots {
		text, err := readFull(path)
		if err == nil {
			err = keys.AddRoots(text)
		}
		if err != nil {
			return keys, fmt.Errorf("--smime-roots: %w", err)
		}
	}
	return keys, nil
}

// readFull refuses a file with nothing in it, which holds no key.
func readFull(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err == nil && len(bytes.TrimSpace(text)) == 0 {
		err = fmt.Errorf("file %s: it is empty", path)
	}
	return text, err
}
