package wiring_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/postern/wiring"
)

const mailboxes = "ingest: {mailboxes: [{id: support, host: imap.example, username: support, password_file: password}]}\n"

func TestAValueWithWhichNothingWouldRunIsRefusedWhenTheFileIsRead(t *testing.T) {
	load := func(text string) error {
		path := filepath.Join(t.TempDir(), "postern.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := wiring.Load(path)
		return err
	}
	for text, named := range map[string]string{
		"archive: {journal_every: 0s}":   "archive.journal_every",
		"audit: {checkpoint_every: 0s}":  "audit.checkpoint_every",
		"log: {level: loud}":             "log level",
		"log: {format: xml}":             "log format",
		"desk: {listen: '8080'}":         "desk.listen",
		"desk: {listen: ''}":             "desk.listen",
		"desk: {listen: '[::1]:808000'}": "desk.listen",
		"operations: {listen: 9090}":     "operations.listen",
		"trace: {ratio: 5}":              "trace.ratio",
		"trace: {ratio: -0.1}":           "trace.ratio",
		"trace: {ratio: .nan}":           "trace.ratio",
		"keyring: {late_after: 3h}":      "late_after",
		"keyring: {lease_refresh: 20s}":  "lease_refresh",
		"ingest: {max_size: 67108865}":   "ingest.max_size is over 64MiB",
		"ingest: {max_size: 100MiB}":     "ingest.max_size is over 64MiB",

		"sanitize: {leave: [emial]}":                                           `sanitize.leave: "emial" is none of`,
		"sanitize: {masks: {emial: mask}}":                                     `sanitize.masks: "emial" is none of`,
		"sanitize: {masks: {email: last4}}":                                    `sanitize.masks.email: "last4" is none of mask, last_four, leave`,
		"sanitize: {leave: [email], masks: {email: mask}}":                     `sanitize.masks: email stands in sanitize.leave too`,
		"sanitize: {leave: [email, Phone]}":                                    `sanitize.leave: "Phone" is none of`,
		"sanitize: {regions: [de]}":                                            `sanitize.regions: "de" is no country`,
		"retention: {rules: [{kind: [newsletter], class: machine}]}":           `the 1. rule, kind: "newsletter" is none of person, list`,
		"retention: {rules: [{sender: [good], class: machine}]}":               `the 1. rule, sender: "good" is none of verified`,
		"retention: {rules: [{scan: [dirty], class: machine}]}":                `the 1. rule, scan: "dirty" is none of infected`,
		mailboxes + "retention: {rules: [{mailbox: [sales], class: machine}]}": `the 1. rule, mailbox: "sales" is none of support`,
		"verify: {ours: {domains: ['help@firm.example']}}":                     `verify.ours.domains: "help@firm.example" is no domain`,
		"verify: {ours: {names: [Al]}}":                                        `verify.ours.names: "Al" has fewer than three letters`,
		mailboxes + "verify: {boundaries: [{mailbox: suport}]}":                `verify.boundaries, mailbox: "suport" is none of support`,
		"verify: {boundaries: [{trust_mx: [mx.example]}]}":                     "an entry names no mailbox",
		`verify: {boundaries: [{mailbox: "*"}, {mailbox: "*"}]}`:               "stands there twice",
	} {
		if err := load(text); err == nil || !strings.Contains(err.Error(), named) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"ingest: {max_size: 64MiB}", "desk: {listen: ':8080'}", "desk: {listen: '[::1]:0'}", "operations: {listen: ''}", "trace: {ratio: 0}", "trace: {ratio: 1}", "archive: {journal_every: 1s}", "keyring: {late_after: 2h}",
		"sanitize: {leave: [email, phone], regions: [DE, US]}",
		"sanitize: {masks: {email: last_four, iban: mask, phone: leave}}",
		mailboxes + `verify: {boundaries: [{mailbox: support}, {mailbox: "*"}]}`,
		"verify: {boundaries: [{mailbox: support}]}", // of a file that lists no mailboxes
		mailboxes + "retention: {rules: [{mailbox: [support], sender: [forged], scan: [clean], kind: [calendar], class: machine}]}",
	} {
		if err := load(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestRelativePathsAreBelowTheFilesFolderWhereverTheProcessStands(t *testing.T) {
	folder := t.TempDir()
	const text = `
data_dir: data
nats: {ca_file: ca.pem, nkeys: seeds}
redis: {password_file: redis, ca_file: /etc/redis.pem}
vault: {dir: sealed, s3: {ca_file: s3.pem, access_key_file: access, secret_key_file: secret}}
clamd: {address: "unix:clamd.sock"}
keyring: {dir: ../ring, copy: ../live, second_store: second}
retain: {key: retain.key}
audit: {key: audit.key}
verify: {keys: authors}
decryption: {keys: ../company}
ingest: {mailboxes: [{id: one, host: imap.example, username: one, ca_file: imap.pem, password_file: word},
  {id: two, host: imap.example, username: two, oauth2: {token_url: "https://id.example/token", client_id: c, client_secret_file: client, refresh_token_file: refresh}}]}
`
	if err := os.WriteFile(filepath.Join(folder, "postern.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(folder))
	for _, path := range []string{filepath.Join(folder, "postern.yaml"), filepath.Join(filepath.Base(folder), "postern.yaml")} {
		c, err := wiring.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		one, two := c.Ingest.Mailboxes[0], c.Ingest.Mailboxes[1]
		for got, want := range map[string]string{
			c.DataDir: "data", c.Verify.Keys: "authors", c.Decryption.Keys: "../company", c.NATS.CAFile: "ca.pem", c.NATS.Nkeys: "seeds", string(c.Redis.PasswordFile): "redis",
			c.Vault.Dir: "sealed", c.Vault.S3.CAFile: "s3.pem", string(c.Vault.S3.AccessKeyFile): "access", string(c.Vault.S3.SecretKeyFile): "secret",
			c.Keyring.Dir: "../ring", c.Keyring.Copy: "../live", c.Keyring.SecondStore: "second", c.Retain.Key: "retain.key", c.Audit.Key: "audit.key",
			one.CAFile: "imap.pem", string(one.PasswordFile): "word",
			string(two.OAuth2.ClientSecretFile): "client", string(two.OAuth2.RefreshTokenFile): "refresh",
			c.Desk.UsersFile: "data/users.yaml",
		} {
			if want = filepath.Join(folder, want); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		if c.Redis.CAFile != "/etc/redis.pem" || c.Clamd.Address != "unix:"+filepath.Join(folder, "clamd.sock") {
			t.Errorf("redis.ca_file %s, clamd.address %s", c.Redis.CAFile, c.Clamd.Address)
		}
	}
}

func TestThePlaceOfTheSecondStateStaysTheVault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postern.yaml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := wiring.Load(path); err != nil || c.Keyring.SecondStore != "vault" {
		t.Errorf("%q, %v", c.Keyring.SecondStore, err)
	}
}
