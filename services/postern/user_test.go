package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/desk"
)

func TestADisabledUserComesBackOnlyByEnabling(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.yaml")
	user := func(in string, args ...string) (int, string) {
		code, _, said := typed(t, in, append(append([]string{"user"}, args...), "--file", file)...)
		return code, said
	}
	kept := func() desk.User {
		t.Helper()
		all, err := desk.NewDirectory(file).Users()
		if err != nil || len(all) != 1 {
			t.Fatalf("users %v, %v", all, err)
		}
		return all[0]
	}
	if code, said := user("correct horse battery staple\n", "add", "marge", "--roles", "lead"); code != done {
		t.Fatalf("add: exit %d, %s", code, said)
	}
	before := kept()
	if code, said := user("", "disable", "marge"); code != done || !kept().Disabled {
		t.Fatalf("disable: exit %d, %s", code, said)
	}
	for _, args := range [][]string{{"add", "marge", "--roles", "admin"}, {"passwd", "marge"}} {
		code, said := user("another horse another staple\n", args...)
		if code != failed || !strings.Contains(said, "postern user enable marge") {
			t.Errorf("%q: exit %d, %s", args, code, said)
		}
		if now := kept(); !now.Disabled || now.Password != before.Password || !slices.Equal(now.Roles, before.Roles) {
			t.Errorf("%q changed the user: %+v", args, now.Roles)
		}
	}
	if code, said := user("", "enable", "marge"); code != done {
		t.Fatalf("enable: exit %d, %s", code, said)
	}
	if now := kept(); now.Disabled || now.Password != before.Password || !slices.Equal(now.Roles, []desk.Role{"lead"}) {
		t.Errorf("enabled: %v, %v", now.Disabled, now.Roles)
	}
	if code, said := user("", "enable", "homer"); code != failed || !strings.Contains(said, "no user homer") {
		t.Errorf("a user who is not there: exit %d, %s", code, said)
	}
}
