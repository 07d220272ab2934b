package dovecot

import (
	"os"
	"os/user"
	"slices"
	"strings"
	"text/template"
)

type settings struct {
	Dir                string
	PlainPort, TLSPort int
	Introspection      string
	Capabilities       string // none: as they are
	Root               bool
	Me, Group          string
}

// Commands that Debian's Dovecot 2.3 reads.
var configuration = template.Must(template.New("dovecot").Parse(`
base_dir = {{.Dir}}/run
state_dir = {{.Dir}}/state
log_path = {{.Dir}}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{{.Dir}}/cert.pem
ssl_key = <{{.Dir}}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login oauthbearer xoauth2
auth_cache_size = 0
auth_failure_delay = 0
# The same user may come as often as a test wants.
mail_max_userip_connections = 1000
mail_location = maildir:{{.Dir}}/mail/%u
mail_fsync = never
imap_idle_notify_interval = 2 mins
{{- with .Capabilities}}
imap_capability = {{.}}
{{- end}}
{{- if .Root}}
mail_uid = nobody
mail_gid = nogroup
{{- else}}
default_internal_user = {{.Me}}
default_login_user = {{.Me}}
default_internal_group = {{.Group}}
{{- end}}
first_valid_uid = 1
service anvil {
  chroot =
  # No growing delays for whoever signs in wrongly.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  chroot =
  service_count = 0
  process_min_avail = 1
  inet_listener imap {
    port = {{.PlainPort}}
  }
  inet_listener imaps {
    port = {{.TLSPort}}
    ssl = yes
  }
}
service stats {
  chroot =
}
passdb {
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {{.Dir}}/oauth2.conf
}
passdb {
  driver = passwd-file
  mechanisms = plain login
  args = scheme=PLAIN {{.Dir}}/users
}
userdb {
  driver = static
  args = home={{.Dir}}/mail/%u
}
`))

var oauth2 = template.Must(template.New("oauth2").Parse(`
introspection_mode = post
introspection_url = {{.Introspection}}
client_id = dovecot
client_secret = test
username_attribute = username
active_attribute = active
active_value = true
`))

// What Dovecot 2.3 offers once somebody has signed in.
var capabilities = strings.Fields(`IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT SORT=DISPLAY
	THREAD=REFERENCES THREAD=REFS THREAD=ORDEREDSUBJECT MULTIAPPEND URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE
	UIDPLUS LIST-EXTENDED I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH LIST-STATUS
	BINARY MOVE SNIPPET=FUZZY PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE LITERAL+ NOTIFY SPECIAL-USE`)

func offered(without []string) string {
	if len(without) == 0 {
		return ""
	}
	return strings.Join(slices.DeleteFunc(slices.Clone(capabilities), func(c string) bool { return slices.Contains(without, c) }), " ")
}

// owner fills in who the server's processes are to be: Debian's own accounts
// when root starts it, else whoever runs the test.
func (s *settings) owner() error {
	me, err := user.Current()
	if err != nil {
		return err
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		return err
	}
	s.Root, s.Me, s.Group = me.Uid == "0", me.Username, group.Name
	return nil
}

func render(path string, t *template.Template, s settings) error {
	var text strings.Builder
	if err := t.Execute(&text, s); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text.String()), 0o644)
}
