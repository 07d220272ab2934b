package fleet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// A Section is a part of a configuration file, by key.
type Section = map[string]any

// Below gives a section of a section, and makes it where there is none.
func Below(section Section, keys ...string) Section {
	for _, key := range keys {
		next, ok := section[key].(Section)
		if !ok {
			next = Section{}
			section[key] = next
		}
		section = next
	}
	return section
}

// credentials are the services' and the operators'.
func credentials() []string { return topology.Names() }

// choosePorts finds one for the desk, and one for the operators of each service.
func (f *Fleet) choosePorts() error {
	var err error
	if f.servers.desk = f.options.Listen; f.servers.desk == "" {
		if f.servers.desk, err = freeAddress(); err != nil {
			return err
		}
	}
	f.servers.operations = map[string]string{}
	for _, name := range wiring.Order {
		if f.servers.operations[name], err = freeAddress(); err != nil {
			return err
		}
	}
	return nil
}

// configure writes the configuration of every credential.
func (f *Fleet) configure() error {
	var problems []error
	for _, name := range credentials() {
		text, err := f.config(name)
		if err == nil {
			err = os.WriteFile(f.ConfigFile(name), text, 0o600)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("configuration of %s: %w", name, err))
		}
	}
	return errors.Join(problems...)
}

func (f *Fleet) config(name string) ([]byte, error) {
	_, redisPassword, err1 := f.secret("redis-password")
	_, accessKey, err2 := f.secret("s3-access-key")
	_, secretKey, err3 := f.secret("s3-secret-key")
	_, imapPassword, err4 := f.secret("imap-password")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	server := "none"
	if f.names != nil {
		server = f.names.address()
	}
	config := Section{
		"data_dir":   f.Folder(name),
		"clock":      Section{"offset": f.offset.String()},
		"operations": Section{"listen": f.servers.operations[name]},
		"trace":      Section{"endpoint": f.options.Trace, "ratio": 1},
		"nats":       Section{"url": f.servers.natsURL, "ca_file": f.servers.ca.file, "nkeys": filepath.Join(f.Folder(name), "nkeys")},
		"redis":      Section{"address": f.servers.redis, "password_file": redisPassword},
		"vault": Section{"kind": "s3", "s3": Section{
			"endpoint": f.servers.s3, "insecure": true, "bucket": bucket, "path_style": true,
			"access_key_file": accessKey, "secret_key_file": secretKey,
		}},
		"clamd": Section{"address": f.servers.clamd},
		"ingest": Section{"mailboxes": []any{Section{
			"id": "support", "host": "127.0.0.1", "port": f.servers.imapPort, "ca_file": f.servers.ca.file,
			"username": mailUser, "password_file": imapPassword, "poll": "30s",
		}}},
		"verify": Section{
			"boundaries": []any{Section{"mailbox": "*", "trust_mx": f.options.TrustMX}},
			"ours":       f.options.Ours,
			"dns":        Section{"server": server},
		},
		"archive": Section{"journal_every": "1s"},
		"audit":   Section{"checkpoint_every": "1s"},
		"retain":  Section{"max_share": 1}, // demonstrations move the clock by months
		"desk":    Section{"listen": f.servers.desk, "base_url": "http://" + Reached(f.servers.desk)},
	}
	if name == topology.Rebuild { // it opens the journal with the keyring's state, and knows how far the log was signed
		Below(config, "keyring")["dir"] = filepath.Join(f.Folder("keyring"), "keyring")
		Below(config, "audit")["key"] = filepath.Join(f.Folder("audit"), "keys", "audit.ed25519")
	}
	if f.options.Change != nil {
		f.options.Change(name, config)
	}
	return yaml.Marshal(config)
}
