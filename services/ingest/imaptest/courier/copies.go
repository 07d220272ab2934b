package courier

import (
	"bytes"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/ingest/imaptest/mailserver"
)

// Debian's Courier has two names built in that only an installation has: the socket of the
// authentication daemon, and the account that it becomes before it speaks TLS. Copies of the
// two files in question name what the test has in their place.
const (
	socket  = "/run/courier/authdaemon/socket\x00"
	account = "courier"
)

// half is the size of the pieces in which compilers copy a constant as long as socket, the
// second of them ending with it.
const half = 16

// copies are the changed files.
type copies struct {
	socket string // where the library looks for the daemon
	folder string // with the library, to be searched first
	login  string // the program that answers before a sign-in
}

func copiesOf(t testing.TB, server *mailserver.Server, files mailserver.Files, owner mailserver.Owner) copies {
	t.Helper()
	c := copies{server.Dir + "/auth", filepath.Join(server.Dir, "copies"), files.Path("usr/lib/courier/courier/imaplogin")}
	if len(c.socket) >= len(socket) { // a folder with a shorter name
		dir, err := os.MkdirTemp("/tmp", "auth")
		mailserver.Must(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		mailserver.Must(t, os.Chmod(dir, 0o755))
		c.socket = dir + "/s"
	}
	mailserver.Must(t, os.Mkdir(c.folder, 0o755))
	library := read(t, files.Library(t, "libcourierauth.so.0"))
	own := padded(t, c.socket, len(socket))
	changed, ok := instead(library, socket, own)
	if !ok {
		changed, ok = instead(library, socket[:half], own[:half])
	}
	if again, both := instead(changed, socket[len(socket)-half:], own[len(socket)-half:]); both {
		changed = again
	}
	if !ok || bytes.Contains(changed, []byte("daemon/socket")) {
		mailserver.Absent(t, "courier: this build of libcourierauth hides where it looks for its daemon")
	}
	mailserver.Must(t, os.WriteFile(filepath.Join(c.folder, "libcourierauth.so.0"), changed, 0o644))

	if _, err := user.Lookup(account); err == nil {
		return c
	}
	changed, ok = instead(read(t, c.login), "\x00"+account+"\x00", "\x00"+padded(t, owner.Name, len(account)+1))
	if !ok {
		mailserver.Absent(t, "courier: this build of imaplogin hides which account it becomes")
	}
	c.login = filepath.Join(c.folder, "imaplogin")
	mailserver.Must(t, os.WriteFile(c.login, changed, 0o755))
	return c
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	mailserver.Must(t, err)
	return text
}

// padded is a text with zeros up to a length, the last of them always one.
func padded(t testing.TB, text string, length int) string {
	t.Helper()
	if len(text) >= length {
		mailserver.Absent(t, "courier: has no room for the name "+text)
	}
	return text + strings.Repeat("\x00", length-len(text))
}

// instead puts a text in the place of another as long, which must be there once.
func instead(in []byte, old, text string) ([]byte, bool) {
	if bytes.Count(in, []byte(old)) != 1 {
		return in, false
	}
	return bytes.Replace(in, []byte(old), []byte(text), 1), true
}
