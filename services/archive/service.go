package archive

import "github.com/postern-mail/postern/pkg/vault"

// A Service files.
type Service struct {
	config  Config
	keyring Filer
	vault   vault.Store
}

// New makes a service that files through a keyring and marks in a vault.
func New(config Config, keyring Filer, store vault.Store) *Service {
	return &Service{config: config, keyring: keyring, vault: store}
}
