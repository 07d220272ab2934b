// Package dovecot starts Debian's Dovecot as a child process of a test, with a
// configuration, a mail store and a certificate of its own. It is no help for
// running Dovecot otherwise.
package dovecot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/ingest/imaptest/mailserver"
)

// Password is every user's.
const Password = mailserver.Password

// A Server is one running Dovecot.
type Server struct {
	*mailserver.Server
	tokens *tokens
}

// Settings are what may differ from one test to another.
type Settings struct {
	// Without are capabilities that are not offered.
	Without []string
}

// Start runs a server with these users; each has an INBOX. The test is skipped
// where Dovecot is not installed and fails there when CI=true. The server ends
// with the test.
func Start(t testing.TB, users ...string) *Server {
	t.Helper()
	return StartWith(t, Settings{}, users...)
}

// StartWith is Start with settings.
func StartWith(t testing.TB, its Settings, users ...string) *Server {
	t.Helper()
	program, err := exec.LookPath("dovecot")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/dovecot")
	}
	if err != nil {
		mailserver.Absent(t, "dovecot absent: install dovecot-imapd")
	}
	common := mailserver.New(t, "dovecot")
	common.Separator, common.LogFile = ".", filepath.Join(common.Dir, "log")
	tokens, url := startTokens(t)
	server := &Server{common, tokens}
	server.enrol(t, users)
	server.Run(func() ([]mailserver.Program, error) {
		all := settings{
			Dir: server.Dir, Introspection: url, Capabilities: offered(its.Without),
			PlainPort: server.Port(server.PlainAddr), TLSPort: server.Port(server.Addr),
		}
		if err := all.owner(); err != nil {
			return nil, err
		}
		config := filepath.Join(server.Dir, "dovecot.conf")
		if err := render(config, configuration, all); err != nil {
			return nil, err
		}
		if err := render(filepath.Join(server.Dir, "oauth2.conf"), oauth2, all); err != nil {
			return nil, err
		}
		return []mailserver.Program{{Path: program, Args: []string{"-F", "-c", config}, Environment: os.Environ()}}, nil
	})
	return server
}

func (s *Server) enrol(t testing.TB, users []string) {
	var lines strings.Builder
	for _, user := range users {
		fmt.Fprintf(&lines, "%s:%s\n", user, Password)
	}
	s.Write("users", lines.String())
	mail := filepath.Join(s.Dir, "mail")
	mailserver.Must(t, os.Mkdir(mail, 0o777))
	mailserver.Must(t, os.Chmod(mail, 0o777)) // whoever Dovecot becomes must write here
}

// Log is what Dovecot has logged so far.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.LogFile)
	if err != nil {
		return fmt.Sprintf("dovecot: %v", err)
	}
	return string(text)
}
