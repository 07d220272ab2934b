// Package mailserver holds what the packages beside it share that start a mail
// server of Debian's as child processes of a test: a folder, a certificate, ports,
// and the processes themselves, all of which end with the test. It knows no server.
package mailserver

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/ingest/imaptest"
)

// Password is every user's.
const Password = "correct horse battery staple"

// startAttempts bounds how often ports are chosen anew when somebody else took
// one in between.
const startAttempts = 3

// patience is how long a start or a stop may take before the test fails.
const patience = time.Minute

// A Server is one mail server on this machine's own address.
type Server struct {
	Name      string         // what it is
	Addr      string         // implicit TLS, host:port
	PlainAddr string         // in the clear and STARTTLS, host:port
	CAFile    string         // PEM of the authority that signed its certificate
	CA        *x509.CertPool // the same
	Prefix    string         // what the names of all folders but INBOX begin with (RFC 2342)
	Separator string         // between the names of a folder and of one below it
	Dir       string         // everything that is the server's
	LogFile   string         // where it logs; empty: what it writes is all

	t        testing.TB
	start    func() ([]Program, error)
	children []*child
}

// New makes the folder and the certificate of a server that is yet to be started.
func New(t testing.TB, name string) *Server {
	t.Helper()
	// Unix sockets have short names, so the folder is not the test's own.
	dir, err := os.MkdirTemp("", name)
	Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	Must(t, os.Chmod(dir, 0o755)) // whoever the server becomes must come in
	s := &Server{t: t, Name: name, Dir: dir, CAFile: filepath.Join(dir, "ca.pem")}
	s.certify()
	return s
}

// Absent skips the test, or fails it when CI=true.
func Absent(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// Run starts the server on ports of its own: start writes the configuration for them
// and says which programs run. It ends with the test.
func (s *Server) Run(start func() ([]Program, error)) {
	s.t.Helper()
	s.t.Cleanup(s.Stop)
	s.start = start
	for attempt := 1; ; attempt++ {
		s.PlainAddr, s.Addr = freeAddress(s.t), freeAddress(s.t)
		err := s.launch()
		if err == nil {
			return
		}
		if attempt == startAttempts {
			s.t.Fatalf("%s: %v", s.Name, err)
		}
	}
}

// Restart starts a server again that was stopped or killed, where it was.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.launch(); err != nil {
		s.t.Fatalf("%s: %v", s.Name, err)
	}
}

// Port is the port of an address.
func (s *Server) Port(address string) int {
	_, text, err := net.SplitHostPort(address)
	Must(s.t, err)
	port, err := strconv.Atoi(text)
	Must(s.t, err)
	return port
}

// Folder is how the server names a folder: from its names, from the top downwards.
func (s *Server) Folder(names ...string) string {
	whole := s.Prefix
	for i, name := range names {
		if i > 0 {
			whole += s.Separator
		}
		whole += name
	}
	return whole
}

// TLS trusts the server.
func (s *Server) TLS() *tls.Config { return &tls.Config{RootCAs: s.CA, ServerName: "localhost"} }

// Client opens a plain client on a user's folder; it closes with the test.
func (s *Server) Client(user, folder string) *imaptest.Client {
	s.t.Helper()
	client := imaptest.Open(s.t, s.Addr, s.TLS(), user, Password, folder)
	s.t.Cleanup(client.Close)
	return client
}

// Append puts mails into a user's folder.
func (s *Server) Append(user, folder string, mails ...[]byte) {
	s.t.Helper()
	client := imaptest.Open(s.t, s.Addr, s.TLS(), user, Password, "INBOX")
	defer client.Close()
	for _, raw := range mails {
		client.Append(folder, raw)
	}
}

// Count is how many mails a user's folder holds.
func (s *Server) Count(user, folder string) int {
	s.t.Helper()
	client := imaptest.Open(s.t, s.Addr, s.TLS(), user, Password, folder)
	defer client.Close()
	return len(client.UIDs())
}

// List is the digest of every mail of a user's folder, by UID.
func (s *Server) List(user, folder string) map[uint32][sha256.Size]byte {
	s.t.Helper()
	client := imaptest.Open(s.t, s.Addr, s.TLS(), user, Password, folder)
	defer client.Close()
	return client.Digests()
}

// An Owner is who a server's processes run as: nobody when root starts them, since
// mail servers refuse to be root, else whoever runs the test.
type Owner struct {
	Name, Group string
	UID, GID    int
}

// OwnerOf finds out who that is.
func OwnerOf(t testing.TB) Owner {
	t.Helper()
	who, err := user.Current()
	Must(t, err)
	if who.Uid == "0" {
		who, err = user.Lookup("nobody")
		Must(t, err)
	}
	group, err := user.LookupGroupId(who.Gid)
	Must(t, err)
	owner := Owner{Name: who.Username, Group: group.Name}
	owner.UID, err = strconv.Atoi(who.Uid)
	Must(t, err)
	owner.GID, err = strconv.Atoi(who.Gid)
	Must(t, err)
	return owner
}

// Give makes folders below the server's own that belong to the owner.
func (s *Server) Give(owner Owner, folders ...string) {
	s.t.Helper()
	for _, folder := range folders {
		path := filepath.Join(s.Dir, folder)
		Must(s.t, os.Mkdir(path, 0o755))
		Must(s.t, os.Chown(path, owner.UID, owner.GID))
	}
}

// Write writes a file of the server's.
func (s *Server) Write(name, text string) {
	s.t.Helper()
	Must(s.t, os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o644))
}

func freeAddress(t testing.TB) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Must(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// Must ends the test at an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("mail server: %v", fmt.Errorf("setting it up: %w", err))
	}
}
