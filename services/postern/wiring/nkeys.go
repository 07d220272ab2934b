package wiring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/wholefile"
)

// MakeNkeys makes the nkey of every credential that has none in a folder: NAME.seed for
// the service alone, NAME.pub for whoever checks. What is there stays.
func MakeNkeys(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("nkeys: %w", err)
	}
	for _, name := range topology.Names() {
		if err := makeNkey(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("nkey of %s: %w", name, err)
		}
	}
	return nil
}

func makeNkey(path string) error {
	seed, err := os.ReadFile(path + ".seed")
	if errors.Is(err, fs.ErrNotExist) {
		pair, err := nkeys.CreateUser()
		if err != nil {
			return err
		}
		if seed, err = pair.Seed(); err != nil {
			return err
		}
		err = wholefile.Make(path+".seed", append(seed, '\n'), 0o600)
		if errors.Is(err, fs.ErrExist) { // another process was first
			seed, err = os.ReadFile(path + ".seed")
		}
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	pair, err := nkeys.FromSeed(trim(seed))
	if err != nil {
		return err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return err
	}
	return wholefile.Put(path+".pub", []byte(public+"\n"), 0o644)
}

// Seed reads the seed of a credential.
func Seed(dir, name string) ([]byte, error) {
	seed, err := os.ReadFile(filepath.Join(dir, name+".seed"))
	if err != nil {
		return nil, fmt.Errorf("nkey of %s: %w: run postern setup, or copy its seed here", name, err)
	}
	return trim(seed), nil
}

// PublicNkeys reads the public nkey of every credential that has one here.
func PublicNkeys(dir string) (map[string]string, error) {
	public := map[string]string{}
	for _, name := range topology.Names() {
		key, err := os.ReadFile(filepath.Join(dir, name+".pub"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("nkey of %s: %w", name, err)
		}
		public[name] = string(trim(key))
	}
	return public, nil
}

func trim(text []byte) []byte { return []byte(strings.TrimSpace(string(text))) }
