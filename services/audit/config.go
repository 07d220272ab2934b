package audit

import (
	"time"

	"github.com/postern-mail/postern/pkg/config"
)

// Config is how often the log is signed.
type Config struct {
	// CheckpointEvery is how long new entries wait at most for a signature.
	CheckpointEvery config.Duration `yaml:"checkpoint_every"`
	// Key is the file of the Ed25519 key that signs checkpoints; it is made where there is none. Empty: keys/audit.ed25519 below data_dir.
	Key string `yaml:"key"`
}

// DefaultConfig signs within ten seconds.
func DefaultConfig() Config { return Config{CheckpointEvery: config.Duration(10 * time.Second)} }
