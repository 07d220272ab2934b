package commands

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUsersAreKeptOnTheCommandLine(t *testing.T) {
	t.Parallel()
	config := write(t, "data_dir: data\n")
	file := filepath.Join(filepath.Dir(config), "data", "users.yaml")
	at := []string{"--config", config}
	user := func(in string, args ...string) (string, string, int) {
		return typed(t, in, append(append([]string{"user"}, args...), at...)...)
	}
	expect := func(code int, says, in string, args ...string) {
		t.Helper()
		out, complaint, got := user(in, args...)
		if got != code || !strings.Contains(out+complaint, says) {
			t.Errorf("user %v: exit %d, want %d with %q:\n%s%s", args, got, code, says, out, complaint)
		}
		if strings.Contains(out+complaint, "correct horse") {
			t.Errorf("user %v prints a password:\n%s%s", args, out, complaint)
		}
	}
	list := func(want string) {
		t.Helper()
		out, complaint, code := user("", "list")
		if got := strings.Join(strings.Fields(out), " "); code != done || got != want {
			t.Errorf("exit %d, the list is %q, want %q; %s", code, got, want, complaint)
		}
	}

	list("")
	expect(failed, `role "boss": use some of`, "correct horse battery\n", "add", "anna", "--roles", "agent,boss")
	expect(failed, "no password was given", "", "add", "anna")
	expect(failed, "use at least 10 characters", "short\n", "add", "anna")
	expect(failed, "there is no user anna", "correct horse battery\n", "passwd", "anna")
	expect(failed, "there is no user anna", "", "disable", "anna")
	list("")
	expect(done, "anna: done", "correct horse battery\n", "add", "anna", "--roles", "agent,lead")
	list("anna [agent lead]")
	first := read(t, file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the users file: %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Dir(file)); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("its folder: %v, %v", info.Mode(), err)
	}
	if !bytes.Contains(first, []byte("$argon2id$")) || bytes.Contains(first, []byte("correct horse")) {
		t.Errorf("the users file:\n%s", first)
	}
	expect(failed, "there already: use passwd", "correct horse battery\n", "add", "anna")
	if !bytes.Equal(read(t, file), first) {
		t.Error("what was refused changed the users file")
	}
	expect(done, "anna: done", "correct horse staple\r\n", "passwd", "anna")
	if bytes.Equal(read(t, file), first) {
		t.Error("the password is as it was")
	}
	expect(done, "berta: done", "correct horse battery", "--roles", "auditor", "add", "berta") // no line end, flags first
	expect(done, "anna: done", "", "disable", "anna")
	list("anna [agent lead] disabled berta [auditor]")
	expect(failed, "postern user enable anna", "correct horse battery\n", "add", "anna")
	expect(failed, "postern user enable anna comes first", "correct horse battery\n", "passwd", "anna")
	expect(done, "anna: done", "", "enable", "anna")
	list("anna [agent lead] berta [auditor]")

	other := filepath.Join(t.TempDir(), "others.yaml")
	if out, complaint, code := typed(t, "correct horse battery\n", "user", "add", "carl", "--file", other); code != done {
		t.Errorf("exit %d: %s%s", code, out, complaint)
	}
	list("anna [agent lead] berta [auditor]")
	if out, _, code := typed(t, "", "user", "list", "--file", other); code != done || !strings.HasPrefix(out, "carl ") {
		t.Errorf("exit %d: %s", code, out)
	}
}
