package archive

import (
	"errors"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/retention"
)

// Config is how what is filed is marked, and how often the journal is written.
type Config struct {
	// Tags puts class and due date beside each stored original, for people who look at the store.
	Tags bool `yaml:"tags"`
	// ObjectLock has the store refuse to delete an original before its due date, where the bucket has object lock.
	ObjectLock bool `yaml:"object_lock"`
	// JournalEvery is how often what is new in the durable streams is copied into the vault.
	JournalEvery config.Duration `yaml:"journal_every"`

	// Policy is the retention section of the file.
	Policy retention.Policy `yaml:"-"`
}

// DefaultConfig keeps the journal within ten seconds of the streams.
func DefaultConfig() Config {
	return Config{JournalEvery: config.Duration(10 * time.Second), Policy: retention.Standard()}
}

// Check says what is wrong with a configuration.
func (c Config) Check() error {
	if c.JournalEvery <= 0 {
		return errors.New("archive.journal_every must be above zero, such as 10s")
	}
	return nil
}
