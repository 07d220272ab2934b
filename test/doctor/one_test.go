package doctor

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/reading/readingtest"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/test/program"
)

func TestAMachineOnWhichNothingHasRunIsLeftAsItIs(t *testing.T) {
	below := t.TempDir()
	at := func(name string) string { return filepath.Join(below, name) }
	for name, config := range map[string]string{
		"one process": "data_dir: " + at("data") + "\nverify: {dns: {server: none}}\n",
		"a fleet's": "data_dir: " + at("data") + "\nnats: {url: nats://" + closed(t) + "}\nredis: {address: " + closed(t) + "}\n" +
			"vault: {dir: " + at("vault") + "}\nkeyring: {dir: " + at("keyring") + "}\nverify: {dns: {server: none}}\n",
	} {
		lines, _ := ask(t, config)
		notes, advised := findings(lines, "note")
		if all := " " + strings.Join(notes, " ") + " "; !strings.Contains(all, " data ") || !strings.Contains(all, " vault ") || !advised {
			t.Errorf("%s: notes %v\n%s", name, notes, strings.Join(lines, "\n"))
		}
		if entries, err := os.ReadDir(below); err != nil || len(entries) > 0 {
			t.Errorf("%s: the doctor made %v, %v", name, entries, err)
		}
	}
}

func TestAFolderOfAuthorsKeysIsReadAsVerifyReadsIt(t *testing.T) {
	dir := t.TempDir()
	config := "data_dir: " + filepath.Join(t.TempDir(), "data") + "\nverify: {dns: {server: none}, keys: " + dir + "}\n"
	lines, _ := ask(t, config)
	if well, _ := findings(lines, "ok"); !strings.Contains(" "+strings.Join(well, " ")+" ", " authors ") {
		t.Errorf("of an empty folder nothing good is said:\n%s", strings.Join(lines, "\n"))
	}
	if err := os.MkdirAll(filepath.Join(dir, "openpgp"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "openpgp", "anna.asc"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	lines, code := ask(t, config)
	ill, advised := findings(lines, "FAIL")
	if all := strings.Join(lines, "\n"); code != 1 || !strings.Contains(" "+strings.Join(ill, " ")+" ", " authors ") || !advised || !strings.Contains(all, "anna.asc") {
		t.Errorf("exit code %d\n%s", code, all)
	}
}

func TestTheCompanysKeysAreReadAsTheWorkersReadThem(t *testing.T) {
	company := readingtest.CompanyFolder(t)
	key := filepath.Join(company, "smime", "support.pem")
	data := filepath.Join(t.TempDir(), "data")
	says := func(folder, more string) (state, all string) {
		lines, _ := ask(t, "data_dir: "+data+"\nverify: {dns: {server: none}}\ndecryption: {keys: "+folder+"}\n"+more)
		for _, state := range []string{"ok", "note", "FAIL"} {
			if subjects, _ := findings(lines, state); strings.Contains(" "+strings.Join(subjects, " ")+" ", " decryption ") {
				return state, strings.Join(lines, "\n")
			}
		}
		return "", strings.Join(lines, "\n")
	}
	if state, all := says(company, ""); state != "ok" || !strings.Contains(all, "0 OpenPGP keys and 2 certificates decrypt") {
		t.Errorf("%s:\n%s", state, all)
	}
	if state, all := says(t.TempDir(), ""); state != "note" {
		t.Errorf("no keys: %s:\n%s", state, all)
	}
	if state, all := says(company+".missing", ""); state != "FAIL" {
		t.Errorf("no folder: %s:\n%s", state, all)
	}
	if state, all := says(company+".missing", "nats: {url: nats://"+closed(t)+"}\n"); state != "note" {
		t.Errorf("no folder, in a fleet: %s:\n%s", state, all)
	}
	if err := os.Chmod(key, 0o604); err != nil {
		t.Fatal(err)
	}
	if state, all := says(company, ""); state != "FAIL" || !strings.Contains(all, "may be read by others") {
		t.Errorf("open to all: %s:\n%s", state, all)
	}
}

// TestTheRootOfOneProcess breaks the file on which everything rests, one way after another.
func TestTheRootOfOneProcess(t *testing.T) {
	one := program.StartOne(t, wiring.Options{})
	one.Settled(t)
	config := "data_dir: " + one.Data + "\nverify: {dns: {server: none}}\n"
	lines, code := ask(t, config)
	well, _ := findings(lines, "ok")
	for _, subject := range []string{"bus", "permissions", "key root", "keyring", "clock", "sealed"} {
		if code != 0 || !strings.Contains(" "+strings.Join(well, " ")+" ", " "+subject+" ") {
			t.Errorf("while it runs, exit code %d, nothing good is said of %s:\n%s", code, subject, strings.Join(lines, "\n"))
		}
	}
	one.Stop(t)
	lines, code = ask(t, config)
	if well, _ := findings(lines, "ok"); code != 0 || !strings.Contains(" "+strings.Join(well, " ")+" ", " key root ") || !strings.Contains(" "+strings.Join(well, " ")+" ", " sealed ") {
		t.Fatalf("one that is well: exit code %d\n%s", code, strings.Join(lines, "\n"))
	}
	keysAreItsOwn(t, one.Data, config)
	path := filepath.Join(one.Data, "keyring", "root.cell")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	spoil := func(text []byte, mode fs.FileMode) error {
		return errors.Join(os.Remove(path), os.WriteFile(path, text, mode), os.Chmod(path, mode))
	}
	for _, c := range []struct {
		name  string
		says  string // "" where all is well
		spoil func() error
	}{
		{"others may read it", "can be read by others", func() error { return spoil(good, 0o644) }},
		{"its group may change it", "can be read by others", func() error { return spoil(good, 0o660) }},
		{"it holds zeros", "holds no root", func() error { return spoil(make([]byte, len(good)), 0o600) }},
		{"it holds another file", "holds no root", func() error { return spoil(bytes.Repeat([]byte("root"), 2048), 0o600) }},
		{"it is empty", "holds no root", func() error { return spoil(nil, 0o600) }},
		{"both slots are torn", "holds no root", func() error {
			torn := bytes.Clone(good)
			for _, at := range []int{20, len(torn)/2 + 20} { // within the root key of each
				torn[at] ^= 1
			}
			return spoil(torn, 0o600)
		}},
		{"it is missing beside a state", "is missing, and the state that it opens is there", func() error { return os.Remove(path) }},
		{"it is back", "", func() error { return os.WriteFile(path, good, 0o600) }},
	} {
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		lines, code := ask(t, config)
		wrong, advised := findings(lines, "FAIL")
		want := []string{"key root"}
		if c.says == "" {
			want = nil
		}
		if strings.Join(wrong, " ") != strings.Join(want, " ") || !advised || (code == 1) != (c.says != "") || !strings.Contains(strings.Join(lines, "\n"), c.says) {
			t.Errorf("%s: exit code %d, failures %v, want %v with %q\n%s", c.name, code, wrong, want, c.says, strings.Join(lines, "\n"))
		}
	}
}

// keysAreItsOwn breaks the keys with which Postern signs, one way after another.
func keysAreItsOwn(t *testing.T, data, config string) {
	at := func(name string) string { return filepath.Join(data, "keys", name) }
	public, err := os.ReadFile(at("audit.ed25519.pub"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(at("certificate.ed25519.pub"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want, says string
		spoil            func() error
	}{
		{"others may read one", "certificate", "signs in Postern's name", func() error { return os.Chmod(at("certificate.ed25519"), 0o644) }},
		{"it is closed again", "", "", func() error { return os.Chmod(at("certificate.ed25519"), 0o600) }},
		{"the public half is of another", "audit key", "of another key", func() error { return os.WriteFile(at("audit.ed25519.pub"), other, 0o600) }},
		{"the public half is none", "audit key", "no single PEM block", func() error { return os.WriteFile(at("audit.ed25519.pub"), []byte("x"), 0o600) }},
		{"it is back", "", "", func() error { return os.WriteFile(at("audit.ed25519.pub"), public, 0o600) }},
		{"everybody may change the configuration", "config", "can be changed by everybody", nil},
	} {
		path := filepath.Join(t.TempDir(), "postern.yaml")
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		if c.spoil == nil {
			c.spoil = func() error { return os.Chmod(path, 0o666) }
		}
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		lines, code := askAbout(t, path)
		wrong, advised := findings(lines, "FAIL")
		if strings.Join(wrong, " ") != c.want || !advised || (code == 1) != (c.want != "") || !strings.Contains(strings.Join(lines, "\n"), c.says) {
			t.Errorf("%s: exit code %d, failures %v, want %q with %q\n%s", c.name, code, wrong, c.want, c.says, strings.Join(lines, "\n"))
		}
	}
}
