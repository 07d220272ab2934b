package wiring_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// What each service reads of the secrets that processes share, as its README card says.
// Nkeys, and what only one service has a key for in its section, are not among them.
var secretsOf = map[string][]string{
	"ingest": {"s3-access", "s3-secret"}, "verify": {"s3-access", "s3-secret", "decryption"}, "scan": {"s3-access", "s3-secret", "decryption"},
	"archive": {"s3-access", "s3-secret"}, "sanitize": {"s3-access", "s3-secret", "decryption"}, "keyring": {"s3-access", "s3-secret"},
	"desk": {"s3-access", "s3-secret", "redis"}, "retain": {"s3-access", "s3-secret", "redis"},
	"audit": {}, topology.Setup: {},
}

func TestAProcessReadsTheSecretsOfItsOwnServicesAlone(t *testing.T) {
	for _, service := range append(slices.Clone(wiring.Order), topology.Setup) {
		t.Run(service, func(t *testing.T) {
			own, listed := secretsOf[service]
			if !listed {
				t.Fatal("nobody says what it reads")
			}
			if err := openWith(t, service, own); err != nil {
				t.Errorf("with %v alone: %v", own, err)
			}
			for i, missing := range own {
				err := openWith(t, service, slices.Delete(slices.Clone(own), i, i+1))
				if err == nil || !strings.Contains(err.Error(), missing) {
					t.Errorf("without %s: %v", missing, err)
				}
			}
		})
	}
}

// openWith opens a process of one service where only some secrets are there.
func openWith(t *testing.T, service string, secrets []string) error {
	t.Helper()
	dir := t.TempDir()
	for _, name := range secrets {
		if name == "decryption" {
			companyKeys(t, filepath.Join(dir, name))
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := wiring.Default()
	c.DataDir = filepath.Join(dir, "data")
	c.NATS.URL = "nats://127.0.0.1:4222" // nobody connects before it runs
	c.Redis.Address, c.Redis.PasswordFile = "127.0.0.1:6379", secretFile(dir, "redis")
	c.Vault.Kind, c.Vault.S3.Endpoint, c.Vault.S3.Bucket = "s3", "127.0.0.1:9000", "mail"
	c.Vault.S3.AccessKeyFile, c.Vault.S3.SecretKeyFile = secretFile(dir, "s3-access"), secretFile(dir, "s3-secret")
	c.Verify.DNS.Server = "127.0.0.1:53"
	c.Decryption.Keys = filepath.Join(dir, "decryption")
	c, err := c.Complete()
	if err != nil {
		t.Fatal(err)
	}
	process, err := wiring.New(t.Context(), c, wiring.Options{For: []string{service}})
	if err == nil {
		process.Close()
	}
	return err
}

func secretFile(dir, name string) config.Secret { return config.Secret(filepath.Join(dir, name)) }

// companyKeys makes a folder of keys to decrypt with, of what OpenSSL made for pkg/signature.
func companyKeys(t *testing.T, dir string) {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(root, "pkg/signature/testdata/encrypted/support.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "smime"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "smime", "support.pem"), key, 0o600); err != nil {
		t.Fatal(err)
	}
}
