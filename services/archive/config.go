package archive

import (
	"errors"
	"fmt"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/retention"
)

// Config is how what is filed is marked, and how often the journal is written.
type Config struct {
	// Tags puts class and due date beside each stored original, for people who look at the store: s3 (where the vault is S3), always or never.
	Tags Tagging `yaml:"tags"`
	// ObjectLock has the store refuse to delete an original before its due date, where the bucket has object lock (vault.s3.lock).
	ObjectLock bool `yaml:"object_lock"`
	// JournalEvery is how often what is new in the durable streams is copied into the vault.
	JournalEvery config.Duration `yaml:"journal_every"`

	// Policy is the retention section of the file.
	Policy retention.Policy `yaml:"-"`
}

// Tagging says where originals get tags.
type Tagging string

// Where originals get tags. What OnS3 means is settled where the vault is known.
const (
	OnS3   Tagging = "s3"
	Always Tagging = "always"
	Never  Tagging = "never"
)

// For settles OnS3.
func (t Tagging) For(s3 bool) Tagging {
	switch {
	case t != OnS3:
		return t
	case s3:
		return Always
	}
	return Never
}

// DefaultConfig keeps the journal within ten seconds of the streams.
func DefaultConfig() Config {
	return Config{Tags: OnS3, ObjectLock: true, JournalEvery: config.Duration(10 * time.Second), Policy: retention.Standard()}
}

// Check says what is wrong with a configuration.
func (c Config) Check() error {
	switch c.Tags {
	case OnS3, Always, Never:
	default:
		return fmt.Errorf("archive.tags %q is none of s3, always, never", c.Tags)
	}
	if c.JournalEvery <= 0 {
		return errors.New("archive.journal_every must be above zero, such as 10s")
	}
	return nil
}
