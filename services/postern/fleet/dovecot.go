package fleet

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"text/template"
)

// mailUser owns the one mailbox.
const mailUser = "support"

// settings in the words of Debian's Dovecot 2.3.
var dovecotSettings = template.Must(template.New("dovecot").Parse(`base_dir = {{.Run}}/dovecot
state_dir = {{.Run}}/dovecot-state
log_path = {{.Folder}}/server.log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{{.Certificate}}
ssl_key = <{{.Key}}
auth_mechanisms = plain
mail_location = maildir:{{.Mail}}/%u
mail_max_userip_connections = 100
first_valid_uid = 1
{{- if .Root}}
mail_uid = nobody
mail_gid = nogroup
{{- else}}
default_internal_user = {{.Me}}
default_login_user = {{.Me}}
{{- end}}
service anvil {
  chroot =
}
service stats {
  chroot =
}
service imap-login {
  chroot =
  process_min_avail = 1
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = {{.Port}}
    ssl = yes
  }
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN {{.Users}}
}
userdb {
  driver = static
  args = home={{.Mail}}/%u
}
`))

// startDovecot starts the mail server with one mailbox.
func (f *Fleet) startDovecot(ctx context.Context) (*child, error) {
	folder := f.Folder(folderDovecot)
	certificate, key, err := f.servers.ca.certify(f.Folder(folderTLS), folderDovecot)
	if err != nil {
		return nil, err
	}
	password, _, err := f.secret("imap-password")
	if err != nil {
		return nil, err
	}
	if f.servers.imapPort, err = freePort(); err != nil {
		return nil, err
	}
	f.servers.imap = loopback(f.servers.imapPort)
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	root := me.Uid == "0"
	if err := f.mailFolder(root); err != nil {
		return nil, err
	}
	// Dovecot's own user reads the list of those who may sign in.
	users := filepath.Join(f.short, "users")
	if err := os.WriteFile(users, []byte(mailUser+":"+password+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("dovecot users: %w", err)
	}
	if root {
		if err := giveTo("dovecot", users); err != nil {
			return nil, fmt.Errorf("dovecot users: %w", err)
		}
	}
	var text strings.Builder
	err = dovecotSettings.Execute(&text, map[string]any{
		"Run": f.short, "Folder": folder, "Certificate": certificate, "Key": key, "Mail": f.servers.mailbox,
		"Root": root, "Me": me.Username, "Port": f.servers.imapPort, "Users": users,
	})
	if err != nil {
		return nil, err
	}
	config := filepath.Join(folder, "dovecot.conf")
	if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
		return nil, fmt.Errorf("dovecot configuration: %w", err)
	}
	c, err := f.server(folderDovecot, nil, "dovecot", "-F", "-c", config)
	if err != nil {
		return c, err
	}
	return c, await(ctx, c, func(ctx context.Context) error {
		client, err := f.signIn(ctx)
		if err != nil {
			return err
		}
		return client.close()
	})
}

// mailFolder finds a place for the mailbox that Dovecot's user of mail can reach. Where root
// starts the fleet that is nobody's, who may be shut out above our folder.
func (f *Fleet) mailFolder(root bool) error {
	if f.servers.mailbox != "" {
		return nil
	}
	mail := filepath.Join(f.Folder(folderDovecot), "mail")
	if root {
		if reachable(f.dir) {
			if err := os.Chmod(f.Folder(folderDovecot), 0o711); err != nil {
				return fmt.Errorf("mailbox: %w", err)
			}
		} else {
			mail = fmt.Sprintf("/var/tmp/postern-fleet-mail-%x", sha256.Sum256([]byte(f.dir)))[:40]
			fmt.Fprintf(f.options.Log, "Others may not reach %s, so the mailbox is in %s.\n", f.dir, mail)
		}
	}
	if err := os.MkdirAll(mail, 0o700); err != nil {
		return fmt.Errorf("mailbox: %w", err)
	}
	if root {
		if err := giveTo("nobody", mail); err != nil {
			return fmt.Errorf("mailbox: %w", err)
		}
	}
	f.servers.mailbox = mail
	return nil
}

// reachable says whether everybody may pass through a folder and all above it.
func reachable(path string) bool {
	for ; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if path == filepath.Dir(path) {
			return true
		}
	}
}

func giveTo(name, path string) error {
	account, err := user.Lookup(name)
	if err != nil {
		return err
	}
	var uid, gid int
	_, err1 := fmt.Sscan(account.Uid, &uid)
	_, err2 := fmt.Sscan(account.Gid, &gid)
	return errors.Join(err1, err2, os.Chown(path, uid, gid))
}
