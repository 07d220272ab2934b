package wiring

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/clam"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/readmodel"
	"github.com/postern-mail/postern/pkg/readmodel/embedded"
	"github.com/postern-mail/postern/pkg/resolve"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/dir"
	"github.com/postern-mail/postern/pkg/vault/erase"
	"github.com/postern-mail/postern/pkg/vault/s3"
)

// openVault gives the store of sealed mail and what must be called when it is done with.
func (c VaultConfig) open() (vault.Store, func(), error) {
	if c.Kind == "dir" {
		store, err := dir.Open(c.Dir)
		if err != nil {
			return nil, nil, err
		}
		return store, func() { _ = store.Close() }, nil
	}
	config, err := c.S3.config()
	if err != nil {
		return nil, nil, err
	}
	store, err := s3.New(config)
	return store, func() {}, err
}

func (c VaultConfig) eraser() (erase.Eraser, error) {
	if c.Kind == "dir" {
		return erase.Dir(c.Dir)
	}
	config, err := c.S3.config()
	if err != nil {
		return nil, err
	}
	return erase.S3(config)
}

func (c S3Config) config() (s3.Config, error) {
	access, err := c.AccessKeyFile.Read()
	if err != nil {
		return s3.Config{}, fmt.Errorf("vault.s3.access_key_file: %w", err)
	}
	secret, err := c.SecretKeyFile.Read()
	if err != nil {
		return s3.Config{}, fmt.Errorf("vault.s3.secret_key_file: %w", err)
	}
	roots, err := authorities(c.CAFile)
	if err != nil {
		return s3.Config{}, fmt.Errorf("vault.s3.ca_file: %w", err)
	}
	return s3.Config{
		Endpoint: c.Endpoint, Region: c.Region, Bucket: c.Bucket, AccessKey: access.Value(), SecretKey: secret.Value(),
		Plaintext: c.Insecure, Roots: roots, PathStyle: c.PathStyle, Lock: s3.Lock(c.Lock),
	}, nil
}

// authorities reads a PEM file; none for "".
func authorities(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return pool, nil
}

// openReadModel gives Redis, real or in this process.
func (c RedisConfig) open() (*readmodel.Redis, func(), error) {
	if c.Address == "" {
		server, err := embedded.Start()
		if err != nil {
			return nil, nil, err
		}
		config := server.Config()
		config.Prefix = c.Prefix
		model, err := readmodel.Open(config)
		return model, func() { _ = server.Close() }, err
	}
	config := readmodel.Config{Address: c.Address, Username: c.Username, Prefix: c.Prefix}
	if c.PasswordFile.Set() {
		password, err := c.PasswordFile.Read()
		if err != nil {
			return nil, nil, fmt.Errorf("redis.password_file: %w", err)
		}
		config.Password = password.Value()
	}
	if c.TLS {
		roots, err := authorities(c.CAFile)
		if err != nil {
			return nil, nil, fmt.Errorf("redis.ca_file: %w", err)
		}
		config.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	model, err := readmodel.Open(config)
	return model, func() {}, err
}

// second gives the second opinion about attachments; none where the operator chose none.
func (c ClamdConfig) second() (attachment.SecondOpinion, error) {
	client, err := clam.New(c.Address, clam.Options{Timeout: c.Timeout.Std()})
	if errors.Is(err, clam.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("clamd.address: %w", err)
	}
	return client, nil
}

// resolver gives what answers about names.
func resolver(server string) (mailauth.Resolver, error) {
	if server == "none" {
		return dns.None{}, nil
	}
	return resolve.New(server, 0)
}
