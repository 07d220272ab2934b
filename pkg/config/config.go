// Package config reads the one YAML file that configures every service. It is
// strict: an unknown key, a value of the wrong kind and a second document are
// errors that name the line. It knows no service; each owns its struct.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads a file into a struct that already holds the defaults. Keys that the
// file does not name keep theirs.
func Load(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if err := Parse(text, into); err != nil {
		return fmt.Errorf("configuration %s: %w", path, err)
	}
	return nil
}

// Parse is Load on text.
func Parse(text []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	err := decoder.Decode(into)
	if errors.Is(err, io.EOF) { // an empty file changes nothing
		return nil
	}
	if err != nil {
		return readable(err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return errors.New("more than one document: keep everything in one, without a line of ---")
	}
	return nil
}

// readable turns the library's words, which name Go types, into ones for the
// person who wrote the file.
func readable(err error) error {
	var typed *yaml.TypeError
	if !errors.As(err, &typed) {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	lines := make([]string, len(typed.Errors))
	for i, text := range typed.Errors {
		if line, rest, found := strings.Cut(text, ": field "); found {
			if key, _, found := strings.Cut(rest, " not found in type"); found {
				text = fmt.Sprintf("%s: unknown key %q", line, key)
			}
		}
		lines[i] = text
	}
	return errors.New(strings.Join(lines, "; "))
}
