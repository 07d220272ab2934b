package desk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// RFC 9106 §4 names the parameters; the string is of the reference implementation's own
// tests (phc-winner-argon2, test.c: argon2id, version 19, t=2, m=2^16 KiB, p=1, "password",
// "somesalt").
const published = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

func TestAPublishedHashIsTheHashOfItsPassword(t *testing.T) {
	if !CheckPassword(published, "password") {
		t.Error("the published hash is not accepted")
	}
	for _, wrong := range []string{"", "Password", "password "} {
		if CheckPassword(published, wrong) {
			t.Errorf("%q is accepted", wrong)
		}
	}
}

func TestAHashThatIsNoneAcceptsNothing(t *testing.T) {
	for _, bad := range []string{
		"", "password", "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		strings.Replace(published, "v=19", "v=16", 1), strings.Replace(published, "t=2", "t=0", 1), strings.Replace(published, "t=2", "t=21", 1),
		strings.Replace(published, "p=1", "p=0", 1), strings.Replace(published, "m=65536", "m=4294967295", 1),
		strings.Replace(published, "c29tZXNhbHQ", "", 1), strings.Replace(published, "c29tZXNhbHQ", "!", 1), published + "$", published[:len(published)-1],
	} {
		if CheckPassword(bad, "password") {
			t.Errorf("%q accepts", bad)
		}
	}
}

func TestAPasswordIsHashedWithASaltOfItsOwn(t *testing.T) {
	one, err := HashPassword("ten letters")
	if err != nil {
		t.Fatal(err)
	}
	two, err := HashPassword("ten letters")
	if err != nil {
		t.Fatal(err)
	}
	if one == two || !CheckPassword(one, "ten letters") || !strings.HasPrefix(one, "$argon2id$v=19$m=65536,t=3,p=4$") {
		t.Errorf("%s %s", one, two)
	}
	if _, err := HashPassword("ninechars"); err == nil {
		t.Error("nine characters are accepted")
	}
	if _, err := HashPassword("tenletters"); err != nil {
		t.Errorf("ten characters: %v", err)
	}
}

func TestAUsersFileIsHeldToItsForm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	for text, want := range map[string]string{
		"users: [{name: Anna, roles: [agent]}]":                            "Anna",
		"users: [{name: anna, roles: [boss]}]":                             "boss",
		"users: [{name: anna, roles: []}, {name: anna, roles: []}]":        "each name once",
		"users: [{name: anna, role: agent}]":                               "role",
		"users: [{name: " + strings.Repeat("a", 33) + ", roles: [agent]}]": "aaa",
		"users:\n- name: anna\n  roles: [agent]\n  disabled: perhaps":      "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewDirectory(path).Users(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	users, err := NewDirectory(filepath.Join(t.TempDir(), "none.yaml")).Users()
	if err != nil || len(users) != 0 {
		t.Errorf("no file: %v, %v", users, err)
	}
}

func TestTheUsersFileIsReadableByItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	if err := NewDirectory(path).Save(User{Name: "anna", Roles: []Role{Agent}}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
