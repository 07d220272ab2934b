package wiring

import (
	"path/filepath"
	"strings"
)

// below makes what the file says of paths independent of the folder that a process was
// started in: a relative one is below the file's own folder. The users file is below
// data_dir instead, as everything that is not named at all.
func (c *Config) below(folder string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	const socket = "unix:"
	if path, ok := strings.CutPrefix(c.Clamd.Address, socket); ok && path != "" && !filepath.IsAbs(path) {
		c.Clamd.Address = socket + filepath.Join(folder, path)
	}
	for _, path := range c.paths() {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(folder, *path)
		}
	}
	return nil
}

func (c *Config) paths() []*string {
	paths := []*string{
		&c.DataDir, &c.NATS.CAFile, &c.NATS.Nkeys, &c.Redis.CAFile, (*string)(&c.Redis.PasswordFile),
		&c.Vault.Dir, &c.Vault.S3.CAFile, (*string)(&c.Vault.S3.AccessKeyFile), (*string)(&c.Vault.S3.SecretKeyFile),
		&c.Keyring.Dir, &c.Keyring.Copy, &c.Retain.Key, &c.Audit.Key,
		&c.Verify.Keys, &c.Decryption.Keys,
	}
	if c.Keyring.SecondStore != "vault" {
		paths = append(paths, &c.Keyring.SecondStore)
	}
	for i := range c.Ingest.Mailboxes {
		box := &c.Ingest.Mailboxes[i]
		paths = append(paths, &box.CAFile, (*string)(&box.PasswordFile),
			(*string)(&box.OAuth2.ClientSecretFile), (*string)(&box.OAuth2.RefreshTokenFile))
	}
	return paths
}
