// Package courier starts Debian's Courier IMAP as child processes of a test, with a
// mail store and a certificate of its own. The test itself stands in for
// courier-authdaemon. It is no help for running Courier otherwise.
package courier

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/ingest/imaptest/mailserver"
)

// Settings are what may differ from one test to another.
type Settings struct {
	// Unwatched runs no file alteration monitor: news then come to an IDLE after a minute.
	Unwatched bool
	// Without are capabilities that are not offered.
	Without []string
}

// What Debian's configuration offers (IMAP_CAPABILITY).
var capabilities = []string{
	"IMAP4rev1", "UIDPLUS", "CHILDREN", "NAMESPACE", "THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES", "SORT", "QUOTA", "IDLE",
}

// Start runs a server with these users; each has an INBOX. The test is skipped where
// Courier is absent and fails there when CI=true. The server ends with the test.
func Start(t testing.TB, settings Settings, users ...string) *mailserver.Server {
	t.Helper()
	files := mailserver.Find(t, "courier", "usr/lib/courier/courier/imaplogin")
	server := mailserver.New(t, "courier")
	server.Prefix, server.Separator = "INBOX.", "."
	owner := mailserver.OwnerOf(t)
	server.Give(owner, "mail")
	files = files.Near(server)
	copies := copiesOf(t, server, files, owner)
	for _, user := range users {
		maildir(t, files, filepath.Join(server.Dir, "mail", user), owner)
	}
	server.Listen(copies.socket, func(conn io.ReadWriter) { answer(conn, server.Dir, owner, slices.Clone(users)) })
	server.Run(func() ([]mailserver.Program, error) {
		environment := files.Environment([]string{copies.folder}, variables(server, files, settings)...)
		login := []string{copies.login, files.Path("usr/bin/imapd"), "Maildir"}
		encrypted := slices.Concat([]string{files.Path("usr/bin/couriertls"), "-server", "-tcpd"}, login)
		list := []mailserver.Program{
			{Path: files.Path("usr/sbin/couriertcpd"), Args: listen(server.PlainAddr, login), Environment: environment, As: &owner},
			{Path: files.Path("usr/sbin/couriertcpd"), Args: listen(server.Addr, encrypted), Environment: environment, As: &owner},
		}
		if settings.Unwatched {
			return list, nil
		}
		monitor := mailserver.Program{
			Path: files.Path("usr/libexec/gam_server"), Args: []string{"--notimeout", monitorName(server)}, Environment: environment, As: &owner,
		}
		return slices.Insert(list, 0, monitor), nil
	})
	return server
}

// monitorName tells this server's monitor from any other on the machine.
func monitorName(server *mailserver.Server) string { return filepath.Base(server.Dir) }

// listen is the arguments of couriertcpd: where, and which program takes the connections.
func listen(address string, program []string) []string {
	host, port, _ := net.SplitHostPort(address)
	return append([]string{"-address=" + host, "-maxprocs=1000", "-maxperip=1000", "-nodnslookup", "-noidentlookup", port}, program...)
}

// variables are Courier's settings, as Debian's /etc/courier/imapd and imapd-ssl have them.
func variables(server *mailserver.Server, files mailserver.Files, settings Settings) []string {
	offered := strings.Join(slices.DeleteFunc(slices.Clone(capabilities), func(c string) bool { return slices.Contains(settings.Without, c) }), " ")
	watched := "1"
	if settings.Unwatched {
		watched = "0"
	}
	return []string{
		"IMAP_CAPABILITY=" + offered, "IMAP_CAPABILITY_TLS=" + offered + " AUTH=PLAIN",
		"IMAP_KEYWORDS=1", "IMAP_ACL=1", "IMAP_UMASK=022", "IMAP_CHECK_ALL_FOLDERS=0", "IMAP_OBSOLETE_CLIENT=0",
		"IMAP_MAILBOX_SANITY_CHECK=1", "IMAP_TRASHFOLDERNAME=Trash", "IMAP_MOVE_EXPUNGE_TO_TRASH=0", "IMAP_IDLE_TIMEOUT=60",
		"IMAP_ENHANCEDIDLE=" + watched, "IMAP_USELOCKS=" + watched, "GAM_CLIENT_ID=" + monitorName(server),
		"IMAP_STARTTLS=YES", "IMAP_TLS_REQUIRED=0", "COURIERTLS=" + files.Path("usr/bin/couriertls"),
		"TLS_CERTFILE=" + filepath.Join(server.Dir, "both.pem"), "TLS_VERIFYPEER=NONE",
	}
}

func maildir(t testing.TB, files mailserver.Files, path string, owner mailserver.Owner) {
	command := exec.Command(files.Path("usr/bin/maildirmake.courier"), path)
	command.Env = files.Environment(nil)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("courier: maildirmake: %v: %s", err, out)
	}
	mailserver.Must(t, filepath.WalkDir(path, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, owner.UID, owner.GID)
	}))
}

// answer speaks the authentication daemon's protocol: "AUTH", a length, and that many bytes
// of lines: service, "login", user and password. An answer is lines up to a dot, or FAIL.
func answer(conn io.ReadWriter, dir string, owner mailserver.Owner, users mailserver.Users) {
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		var length int
		if _, err := fmt.Sscanf(line, "AUTH %d\n", &length); err != nil || length < 0 || length > 1<<16 {
			continue // TCPREMOTEIP and the like
		}
		text := make([]byte, length)
		if _, err := io.ReadFull(in, text); err != nil {
			return
		}
		fields := strings.Split(string(text), "\n")
		if len(fields) < 4 || fields[1] != "login" || !users.Known(fields[2], fields[3]) {
			fmt.Fprint(conn, "FAIL\n")
			return
		}
		home := filepath.Join(dir, "mail", fields[2])
		fmt.Fprintf(conn, "USERNAME=%s\nUID=%d\nGID=%d\nHOME=%s\nADDRESS=%s\nMAILDIR=%s\n.\n", owner.Name, owner.UID, owner.GID, home, fields[2], home)
		return
	}
}
