package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/config"
)

type sample struct {
	Name string `yaml:"name"`
	Desk struct {
		Port int             `yaml:"port"`
		Idle config.Duration `yaml:"idle"`
		Most config.Size     `yaml:"most"`
	} `yaml:"desk"`
}

func TestKeysThatAreNotNamedKeepTheirDefaults(t *testing.T) {
	var s sample
	s.Name, s.Desk.Port = "default", 8080
	if err := config.Parse([]byte("desk:\n  idle: 30d\n  most: 25MiB\n"), &s); err != nil {
		t.Fatal(err)
	}
	if s.Name != "default" || s.Desk.Port != 8080 || s.Desk.Idle.Std() != 720*time.Hour || s.Desk.Most.Bytes() != 25<<20 {
		t.Errorf("read %+v", s)
	}
	if err := config.Parse(nil, &s); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

func TestAMistakeIsNamedWithItsLine(t *testing.T) {
	for text, wants := range map[string][]string{
		"name: a\ndesk:\n  prot: 1\n":       {"line 3", `unknown key "prot"`},
		"name: a\nunknown: 1\n":             {"line 2", `unknown key "unknown"`},
		"desk:\n  port: many\n":             {"line 2", "many"},
		"desk:\n  idle: soon\n":             {"line 2", `"soon"`, "72h"},
		"desk:\n  idle: -3s\n":              {"line 2", `"-3s"`},
		"desk:\n  most: 25MB\n":             {"line 2", `"25MB"`, "25MiB"},
		"desk:\n  most: -1\n":               {"line 2", `"-1"`},
		"desk:\n  most: 9999999999999GiB\n": {"line 2", "9999999999999GiB"},
		"name: a\n---\nname: b\n":           {"more than one document"},
		"name: [\n":                         {"line"},
		"name: a\nname: b\n":                {"line 2", "already defined"},
	} {
		err := config.Parse([]byte(text), &sample{})
		if err == nil {
			t.Errorf("%q was taken", text)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: error %q lacks %q", text, err, want)
			}
		}
	}
}

func TestDurationsAndSizesPrintAsTheyAreWritten(t *testing.T) {
	for _, text := range []string{"250ms", "30s", "90s", "72h30m", "30d", "5m", "2h"} {
		d, err := config.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := config.ParseDuration(d.String())
		if err != nil || again != d {
			t.Errorf("%s prints as %s, which reads as %v, %v", text, d, again, err)
		}
	}
	for _, text := range []string{"512", "64KiB", "25MiB", "2GiB", "0"} {
		s, err := config.ParseSize(text)
		if err != nil || s.String() != text {
			t.Errorf("%s prints as %s, %v", text, s, err)
		}
	}
}

func TestASecretIsReadFromItsFileAndNeverPrinted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, err := config.Secret(path).Read()
	if err != nil {
		t.Fatal(err)
	}
	if secret.Value() != "hunter2" {
		t.Errorf("the secret reads as %q", secret.Value())
	}
	encoded, err := json.Marshal(map[string]any{"s": secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "p", "d"} {
		encoded = append(encoded, fmt.Sprintf("%"+verb, secret)...)
		encoded = append(encoded, fmt.Sprintf("%"+verb, struct{ S config.Revealed }{secret})...)
	}
	if strings.Contains(string(encoded), "hunter") || strings.Contains(string(encoded), fmt.Sprintf("%x", "hunter")) {
		t.Errorf("printed %s", encoded)
	}
}

func TestASecretThatOthersMayReadIsRefused(t *testing.T) {
	dir := t.TempDir()
	open, empty := filepath.Join(dir, "open"), filepath.Join(dir, "empty")
	for path, mode := range map[string]os.FileMode{open: 0o644, empty: 0o600} {
		content := []byte("hunter2")
		if path == empty {
			content = []byte("\n")
		}
		if err := os.WriteFile(path, content, mode); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{open: "chmod 600", empty: "empty", filepath.Join(dir, "absent"): "no such file", "": "no file is named"} {
		if _, err := config.Secret(path).Read(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", path, err, want)
		}
	}
}
