// Package signet keeps the Ed25519 keys with which Postern signs what others
// must be able to check: audit checkpoints and destruction certificates. A key
// is a PEM file (PKCS #8) beside its public half (.pub, SubjectPublicKeyInfo), as
// openssl reads and writes them.
package signet

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/postern-mail/postern/pkg/wholefile"
)

// Name names a public key: the first 8 bytes of its SHA-256, hex.
func Name(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// Load reads the private key at path, and makes a new pair there where none is.
// The public half is at path + ".pub".
func Load(path string) (ed25519.PrivateKey, error) {
	key, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, err
		}
		key, err = read(path)
	}
	if err != nil {
		return nil, err
	}
	// The public half is derived, so a crash between the two files is mended here.
	if err := Check(path); errors.Is(err, fs.ErrNotExist) {
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			return nil, fmt.Errorf("signing key %s: %w", path, err)
		}
		if err := write(path+".pub", "PUBLIC KEY", der, 0o644); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	return key, nil
}

// Check says what is wrong with the two halves at path. Whoever signed with one and handed
// out the other could be believed by nobody. It makes nothing.
func Check(path string) error {
	key, err := read(path)
	if err != nil {
		return err
	}
	public, err := LoadPublic(path + ".pub")
	if err != nil {
		return err
	}
	if !public.Equal(key.Public()) {
		return fmt.Errorf("signing key %s: the public half beside it is of another key", path)
	}
	return nil
}

// LoadPublic reads a public key.
func LoadPublic(path string) (ed25519.PublicKey, error) {
	der, err := block(path, "PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("public key %s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("public key %s: it is not Ed25519", path)
	}
	return key, nil
}

func read(path string) (ed25519.PrivateKey, error) {
	der, err := block(path, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s: it is not Ed25519", path)
	}
	return key, nil
}

func create(path string) error {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	return write(path, "PRIVATE KEY", der, 0o600)
}

// write makes a key file, never over another one.
func write(path, kind string, der []byte, mode fs.FileMode) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := wholefile.Make(path, text, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("key file %s: %w", path, err)
	}
	return nil
}

func block(path, kind string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	found, rest := pem.Decode(content)
	if found == nil || found.Type != kind || len(rest) > 0 {
		return nil, fmt.Errorf("key file %s: it holds no single PEM block %q", path, kind)
	}
	return found.Bytes, nil
}
