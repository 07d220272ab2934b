// Package cyrus starts Debian's Cyrus IMAP as child processes of a test, with a
// configuration, a mail store and a certificate of its own. The test itself stands in
// for saslauthd. It is no help for running Cyrus otherwise.
package cyrus

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/ingest/imaptest/mailserver"
)

// Settings are what may differ from one test to another.
type Settings struct {
	// Netnews has all folders below INBOX, with dots between the names: "INBOX.Done", as
	// Cyrus did by default before version 3. Else it is "Done" and "Done/2026".
	Netnews bool
	// Without are capabilities that are not offered.
	Without []string
}

// Start runs a server with these users; each has an INBOX. The test is skipped where
// Cyrus is absent and fails there when CI=true. The server ends with the test.
func Start(t testing.TB, settings Settings, users ...string) *mailserver.Server {
	t.Helper()
	files := mailserver.Find(t, "cyrus", "usr/lib/cyrus/bin/master")
	server := mailserver.New(t, "cyrus")
	server.Separator = "/"
	if settings.Netnews {
		server.Prefix, server.Separator = "INBOX.", "."
	}
	owner := mailserver.OwnerOf(t)
	server.Give(owner, "state", "state/proc", "state/log", "state/socket", "spool")
	files = files.Near(server)
	memory := inMemory(t, owner)
	known := mailserver.Users(append(slices.Clone(users), administrator))
	server.Listen(server.Dir+"/auth", func(conn io.ReadWriter) { answer(conn, known) })
	server.Run(func() ([]mailserver.Program, error) {
		all := values{
			Dir: server.Dir, Memory: memory, Bin: files.Path("usr/lib/cyrus/bin"), Administrator: administrator, Owner: owner,
			PlainAddr: server.PlainAddr, Addr: server.Addr, Settings: settings,
		}
		for name, text := range map[string]*template.Template{"imapd.conf": configuration, "cyrus.conf": programs} {
			var written strings.Builder
			if err := text.Execute(&written, all); err != nil {
				return nil, err
			}
			server.Write(name, written.String())
		}
		return []mailserver.Program{{
			Path:        files.Path("usr/lib/cyrus/bin/master"),
			Args:        []string{"-D", "-C", server.Dir + "/imapd.conf", "-M", server.Dir + "/cyrus.conf", "-p", server.Dir + "/state/pid"},
			Environment: files.Environment(nil, "SASL_PATH="+files.Modules("sasl2")),
		}}, nil
	})
	client := imaptest.Open(t, server.Addr, server.TLS(), administrator, mailserver.Password, "")
	defer client.Close()
	for _, user := range users {
		client.Create("user" + server.Separator + user)
	}
	return server
}

// administrator is who may make mailboxes.
const administrator = "cyrus"

// inMemory gives a folder without a disk for the file that each session replaces with every
// command, for which a disk would be waited for; none where the machine has no such place.
func inMemory(t testing.TB, owner mailserver.Owner) string {
	path, err := os.MkdirTemp("/dev/shm", "cyrus")
	if err != nil {
		return ""
	}
	t.Cleanup(func() { os.RemoveAll(path) })
	mailserver.Must(t, os.Chown(path, owner.UID, owner.GID))
	return path
}

type values struct {
	Dir, Memory     string
	Bin             string
	Administrator   string
	Owner           mailserver.Owner
	PlainAddr, Addr string
	Settings
}

// Settings that Debian's Cyrus 3.6 reads.
var configuration = template.Must(template.New("imapd.conf").Funcs(template.FuncMap{"join": strings.Join}).Parse(`
configdirectory: {{.Dir}}/state
defaultpartition: default
partition-default: {{.Dir}}/spool
{{- with .Memory}}
proc_path: {{.}}
{{- end}}
cyrus_user: {{.Owner.Name}}
cyrus_group: {{.Owner.Group}}
allowplaintext: yes
sasl_mech_list: PLAIN
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: {{.Dir}}/auth
admins: {{.Administrator}}
tls_server_cert: {{.Dir}}/cert.pem
tls_server_key: {{.Dir}}/key.pem
tls_session_timeout: 0
{{- if .Netnews}}
altnamespace: no
unixhierarchysep: no
{{- else}}
altnamespace: yes
unixhierarchysep: yes
{{- end}}
{{- with .Without}}
suppress_capabilities: {{join . " "}}
{{- end}}
`))

var programs = template.Must(template.New("cyrus.conf").Parse(`
START {
  recover cmd="{{.Bin}}/ctl_cyrusdb -C {{.Dir}}/imapd.conf -r"
  idled cmd="{{.Bin}}/idled -C {{.Dir}}/imapd.conf"
}
SERVICES {
  imap cmd="{{.Bin}}/imapd -C {{.Dir}}/imapd.conf" listen="{{.PlainAddr}}" proto="tcp4" prefork=1
  imaps cmd="{{.Bin}}/imapd -C {{.Dir}}/imapd.conf -s" listen="{{.Addr}}" proto="tcp4" prefork=1
}
`))

// answer speaks saslauthd's protocol: user, password, service and realm come in, each after
// its length in two bytes; OK or NO goes out likewise.
func answer(conn io.ReadWriter, users mailserver.Users) {
	var fields [4]string
	for i := range fields {
		var length uint16
		if binary.Read(conn, binary.BigEndian, &length) != nil {
			return
		}
		text := make([]byte, length)
		if _, err := io.ReadFull(conn, text); err != nil {
			return
		}
		fields[i] = string(text)
	}
	verdict := "NO"
	if users.Known(fields[0], fields[1]) {
		verdict = "OK"
	}
	var out bytes.Buffer
	_ = binary.Write(&out, binary.BigEndian, uint16(len(verdict)))
	out.WriteString(verdict)
	_, _ = conn.Write(out.Bytes())
}
