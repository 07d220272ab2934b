// Package dovecot starts Debian's Dovecot as a child process of a test, with a
// configuration, a mail store and a certificate of its own. It is no help for
// running Dovecot otherwise.
package dovecot

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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
const patience = 20 * time.Second

// A Server is one running Dovecot.
type Server struct {
	Addr      string         // implicit TLS, host:port
	PlainAddr string         // in the clear and STARTTLS, host:port
	CAFile    string         // PEM of the authority that signed its certificate
	CA        *x509.CertPool // the same
	LogFile   string         // Dovecot's log

	t      testing.TB
	tokens *tokens
	dir    string
}

// Start runs a server with these users; each has an INBOX. The test is skipped
// where Dovecot is not installed and fails there when CI=true. The server ends
// with the test.
func Start(t testing.TB, users ...string) *Server {
	t.Helper()
	program, err := exec.LookPath("dovecot")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/dovecot")
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("dovecot absent: install dovecot-imapd")
		}
		t.Skip("dovecot absent: install dovecot-imapd")
	}
	// Unix sockets have short names, so the folder is not the test's own.
	dir, err := os.MkdirTemp("", "dovecot")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))

	server := &Server{t: t, dir: dir, CAFile: filepath.Join(dir, "ca.pem"), LogFile: filepath.Join(dir, "log")}
	tokens, url := startTokens(t)
	server.tokens = tokens
	server.certify()
	server.enrol(users)

	for attempt := 1; ; attempt++ {
		err := server.run(program, settings{Dir: dir, Introspection: url})
		if err == nil {
			return server
		}
		if attempt == startAttempts {
			log, _ := os.ReadFile(server.LogFile)
			t.Fatalf("dovecot: %v\n%s", err, log)
		}
	}
}

func (s *Server) enrol(users []string) {
	var lines strings.Builder
	for _, user := range users {
		fmt.Fprintf(&lines, "%s:%s\n", user, Password)
	}
	must(s.t, os.WriteFile(filepath.Join(s.dir, "users"), []byte(lines.String()), 0o644))
	mail := filepath.Join(s.dir, "mail")
	must(s.t, os.Mkdir(mail, 0o777))
	must(s.t, os.Chmod(mail, 0o777)) // whoever Dovecot becomes must write here
}

func (s *Server) run(program string, settings settings) error {
	must(s.t, settings.owner())
	settings.PlainPort, settings.TLSPort = freePort(s.t), freePort(s.t)
	s.PlainAddr = fmt.Sprintf("127.0.0.1:%d", settings.PlainPort)
	s.Addr = fmt.Sprintf("127.0.0.1:%d", settings.TLSPort)
	config := filepath.Join(s.dir, "dovecot.conf")
	must(s.t, render(config, configuration, settings))
	must(s.t, render(filepath.Join(s.dir, "oauth2.conf"), oauth2, settings))

	command := exec.Command(program, "-F", "-c", config)
	// A group of its own, so its children end with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	var output strings.Builder
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	if err := s.ready(ended); err != nil {
		stop(command.Process.Pid, ended)
		return fmt.Errorf("%w: %s", err, output.String())
	}
	s.t.Cleanup(func() { stop(command.Process.Pid, ended) })
	return nil
}

// ready waits for the greeting, which comes when the login process listens.
func (s *Server) ready(ended <-chan struct{}) error {
	deadline := time.After(patience)
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := net.Dial("tcp", s.PlainAddr)
		if err == nil {
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
			if err == nil {
				return nil
			}
		}
		select {
		case <-ended:
			return fmt.Errorf("ended at start")
		case <-deadline:
			return fmt.Errorf("no greeting: %w", err)
		case <-retry.C:
		}
	}
}

func stop(pid int, ended <-chan struct{}) {
	_ = syscall.Kill(pid, syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(patience):
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		<-ended
	}
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

// Log is what Dovecot has logged so far.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.LogFile)
	must(s.t, err)
	return string(text)
}

// certify makes an authority and a certificate for localhost and 127.0.0.1.
func (s *Server) certify() {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(s.t, err)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	must(s.t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(s.t, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), authorityKey)
	must(s.t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(s.t, err)
	s.write("ca.pem", "CERTIFICATE", authorityDER)
	s.write("cert.pem", "CERTIFICATE", leafDER)
	s.write("key.pem", "PRIVATE KEY", keyDER)
	s.CA = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(authorityDER)
	must(s.t, err)
	s.CA.AddCert(parsed)
}

func (s *Server) write(name, kind string, der []byte) {
	must(s.t, os.WriteFile(filepath.Join(s.dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func freePort(t testing.TB) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("dovecot: %v", err)
	}
}
