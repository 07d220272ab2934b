package keyring

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/retention"
)

// Config says how the keyring works.
type Config struct {
	// Dir holds the root cell, state files and locks: a folder on a local file system. On
	// flash media an overwritten cell may live on in spare blocks; the medium is named in
	// every certificate. Empty: keyring below data_dir.
	Dir string `yaml:"dir"`
	// SecondStore is where the second copy of the encrypted state goes: a folder on
	// another disk, or vault.
	SecondStore string `yaml:"second_store"`
	// Copy is a folder for a second, live root cell, on another disk that is always there:
	// without one, who loses the disk of dir loses every mail. What is forgotten is
	// forgotten in both, so it must be kept out of backups, and its disk destroyed when it is
	// taken out of here. The folder must exist. Empty: none.
	Copy string `yaml:"copy"`
	// Medium is what the root cell lies on, in a word for certificates: disk, flash, memory.
	Medium string `yaml:"medium"`
	// LateAfter is how old an attempt may be when it is registered.
	LateAfter config.Duration `yaml:"late_after"`
	// IntakeGrace is how long after its last day an intake bucket is emptied and forgotten.
	IntakeGrace config.Duration `yaml:"intake_grace"`
	// RequestSkew is how far a request's time may be from the keyring's clock.
	RequestSkew config.Duration `yaml:"request_skew"`
	// AuditGather is how long an audit entry waits for others to be written with it.
	AuditGather config.Duration `yaml:"audit_gather"`
	// LeaseRefresh is how often a keyring that does not write looks for a newer state.
	LeaseRefresh config.Duration `yaml:"lease_refresh"`
	// LeaseVoid is how long it may go on without having looked.
	LeaseVoid config.Duration `yaml:"lease_void"`
	// AttestWait is how long an attestation waits for other keyrings to let go.
	AttestWait config.Duration `yaml:"attest_wait"`
	// JournalWait is how long forgetting and destroying wait for the journal.
	JournalWait config.Duration `yaml:"journal_wait"`
	// Cache is how much of the records is kept in memory.
	Cache config.Size `yaml:"cache"`
	// Concurrency is how many requests of one kind are worked on at once.
	Concurrency int `yaml:"concurrency"`

	// Callers names the service of each public nkey.
	Callers map[string]string `yaml:"-"`
	// Policy tells how long what was set aside is kept.
	Policy retention.Policy `yaml:"-"`
}

// Limits that the contracts fix.
const (
	inlineLimit  = 64 << 10      // bytes of a layer within a record
	maxOpen      = 64            // items of one open
	maxHold      = 8000          // items of one hold, release or erase
	maxNamed     = 8000          // items that an answer names
	intakeAhead  = 2             // days that intake keys are published ahead
	intakeLinger = 2 * time.Hour // after its last day, an intake bucket takes late registrations
	maxReason    = 16 << 10      // bytes of a sealed reason
	maxDetails   = keys.MaxDetails
)

// Defaults are the configuration that nobody changed.
func Defaults() Config {
	return Config{
		SecondStore:  "vault",
		Medium:       "disk",
		LateAfter:    config.Duration(time.Hour),
		IntakeGrace:  config.Duration(25 * time.Hour),
		RequestSkew:  config.Duration(time.Minute),
		AuditGather:  config.Duration(1500 * time.Microsecond),
		LeaseRefresh: config.Duration(5 * time.Second),
		LeaseVoid:    config.Duration(10 * time.Second),
		AttestWait:   config.Duration(30 * time.Second),
		JournalWait:  config.Duration(20 * time.Second),
		Cache:        32 << 20,
		Concurrency:  256,
		Policy:       retention.Standard(),
	}
}

// Check says what is wrong with a configuration.
func (c Config) Check() error {
	switch {
	case len(c.Callers) == 0:
		return errors.New("keyring: no service's nkey is known")
	case c.Copy != "" && filepath.Clean(c.Copy) == filepath.Clean(c.Dir):
		return errors.New("keyring: copy must be another folder than dir, on another disk")
	case c.LeaseRefresh <= 0 || c.LeaseVoid <= c.LeaseRefresh:
		return errors.New("keyring: lease_void must be longer than lease_refresh")
	case c.LateAfter <= 0 || c.RequestSkew <= 0 || c.Concurrency < 1 || c.AttestWait <= 0:
		return errors.New("keyring: late_after, request_skew, attest_wait and concurrency must be above zero")
	case c.LateAfter.Std() > intakeLinger:
		return errors.New("keyring: late_after must not be over 2h: intake buckets take nothing that late")
	case c.IntakeGrace.Std() < c.LateAfter.Std()+intakeLinger:
		return errors.New("keyring: intake_grace must be at least late_after and 2h, or mail would be registered into a forgotten bucket")
	}
	return c.Policy.Check()
}
