// Package wiring puts the services together: it alone knows what shape Postern
// runs in, one process with everything inside or a fleet on real servers.
package wiring

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/confine"
	"github.com/postern-mail/postern/pkg/pii"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/retention"
	"github.com/postern-mail/postern/pkg/run"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/audit"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/keyring"
	"github.com/postern-mail/postern/services/retain"
	"github.com/postern-mail/postern/services/scan"
	"github.com/postern-mail/postern/services/verify"
)

// Config is the whole file.
type Config struct {
	// DataDir holds what Postern keeps on this machine, mode 0700. Relative paths, of every key but desk.users_file, are below the configuration file's folder.
	DataDir string `yaml:"data_dir"`
	// Clock is the time that Postern lives by.
	Clock ClockConfig `yaml:"clock"`
	// Log is where one line an event goes, on standard error.
	Log run.LogConfig `yaml:"log"`
	// Operations is where operators look.
	Operations run.OperationsConfig `yaml:"operations"`
	// Trace is where spans go.
	Trace run.TraceConfig `yaml:"trace"`
	// NATS is the bus.
	NATS NATSConfig `yaml:"nats"`
	// Redis holds read models and sessions, nothing that cannot be rebuilt.
	Redis RedisConfig `yaml:"redis"`
	// Vault keeps sealed mail.
	Vault VaultConfig `yaml:"vault"`
	// Confine is how much room there is for looking into what strangers sent.
	Confine ConfineConfig `yaml:"confine"`
	// Clamd is the second opinion about attachments.
	Clamd ClamdConfig `yaml:"clamd"`
	// Decryption is what mail that is encrypted to the company is read with.
	Decryption DecryptionConfig `yaml:"decryption"`
	// Retention is the policy: which class a mail belongs to and how long each of its layers is kept.
	Retention retention.Policy `yaml:"retention"`
	// Ingest takes mail in.
	Ingest ingest.Config `yaml:"ingest"`
	// Verify finds out who sent it.
	Verify verify.Config `yaml:"verify"`
	// Scan finds out what it carries.
	Scan ScanConfig `yaml:"scan"`
	// Archive files it.
	Archive archive.Config `yaml:"archive"`
	// Sanitize makes what agents see.
	Sanitize SanitizeConfig `yaml:"sanitize"`
	// Keyring holds the keys.
	Keyring keyring.Config `yaml:"keyring"`
	// Retain destroys on time.
	Retain retain.Config `yaml:"retain"`
	// Audit signs the log.
	Audit audit.Config `yaml:"audit"`
	// Desk is where agents work.
	Desk desk.Config `yaml:"desk"`
}

// ClockConfig moves the clock, for demonstrations.
type ClockConfig struct {
	// Offset runs the clock ahead of the machine's. Every process of a fleet needs the same.
	Offset config.Duration `yaml:"offset"`
}

// NATSConfig says which bus.
type NATSConfig struct {
	// URL of the servers, comma separated. Empty: a server inside this process, without a port, which then runs all services.
	URL string `yaml:"url"`
	// CAFile holds the authorities that the servers' certificates come from.
	CAFile string `yaml:"ca_file"`
	// Nkeys is the folder of <service>.seed files. Empty: nkeys below data_dir. Each process needs only its own services'.
	Nkeys string `yaml:"nkeys"`
	// Replicas of every stream: 1 or 3.
	Replicas int `yaml:"replicas"`
}

// RedisConfig says which Redis.
type RedisConfig struct {
	// Address, host:port. Empty: one inside this process.
	Address string `yaml:"address"`
	// Username to sign in with.
	Username string `yaml:"username"`
	// PasswordFile holds the password.
	PasswordFile config.Secret `yaml:"password_file"`
	// TLS encrypts the connection.
	TLS bool `yaml:"tls"`
	// CAFile holds the authorities to trust, in place of the system's.
	CAFile string `yaml:"ca_file"`
	// Prefix of every key, where several share one server.
	Prefix string `yaml:"prefix"`
}

// VaultConfig says where sealed mail is kept.
type VaultConfig struct {
	// Kind is dir or s3.
	Kind string `yaml:"kind"`
	// Dir is the folder, for kind dir. Empty: vault below data_dir.
	Dir string `yaml:"dir"`
	// S3 is the bucket, for kind s3.
	S3 S3Config `yaml:"s3"`
}

// S3Config is a bucket.
type S3Config struct {
	// Endpoint, host:port.
	Endpoint string `yaml:"endpoint"`
	// Insecure speaks plain HTTP, for servers on this machine.
	Insecure bool `yaml:"insecure"`
	// CAFile holds the authorities to trust, in place of the system's.
	CAFile string `yaml:"ca_file"`
	// Region of the bucket.
	Region string `yaml:"region"`
	// Bucket that is there already.
	Bucket string `yaml:"bucket"`
	// AccessKeyFile holds the access key.
	AccessKeyFile config.Secret `yaml:"access_key_file"`
	// SecretKeyFile holds the secret key.
	SecretKeyFile config.Secret `yaml:"secret_key_file"`
	// PathStyle puts the bucket into the path instead of the host name.
	PathStyle bool `yaml:"path_style"`
	// Lock is how the bucket holds objects until a date: governance, compliance, or empty for a bucket without object lock.
	Lock string `yaml:"lock"`
}

// ConfineConfig bounds the processes in which archives and documents are unpacked and pictures are drawn. The kernel shuts them in; where it refuses, the services scan and sanitize wait, and postern doctor says why.
type ConfineConfig struct {
	// Processes wait for work, each for one mail at a time. 0: one more than the machine has cores.
	Processes int `yaml:"processes"`
	// Memory is the most that one of them may have. One that asks for more is ended, and the mail that it was at is an error, which agents see and cannot open.
	Memory config.Size `yaml:"memory"`
}

// ClamdConfig says which clamd.
type ClamdConfig struct {
	// Address is unix:PATH, tcp:HOST:PORT, or none: then mails pass without a second opinion and their reports say so.
	Address string `yaml:"address"`
	// Timeout of one question.
	Timeout config.Duration `yaml:"timeout"`
}

// DecryptionConfig says where the company's private keys are.
type DecryptionConfig struct {
	// Keys is a folder of the company's private keys: OpenPGP keys in its folder openpgp, S/MIME keys with their certificates, as PEM without a passphrase, in smime, and in passphrases, one a file, those that OpenPGP keys are under. Nobody else may read the files. The services verify, scan and sanitize read it, no other does, and it is read again when a file changes: give all three the same. Keys that are no longer used stay as long as mail that was encrypted to them. Empty: what is encrypted stays closed, and is said to be.
	Keys string `yaml:"keys"`
}

// ScanConfig says how long a silent scanner is waited for, and what is remembered of its answers.
type ScanConfig struct {
	// Patience is how old a mail may be for a silent scanner to be waited for. After that its parts are errors, which agents see and cannot open.
	Patience config.Duration `yaml:"patience"`
	// Opinions is how many of clamd's opinions are remembered, in memory and for as long as its signatures stay the same, so that a file that comes again need not be asked for; 0: none. Each takes some two hundred bytes.
	Opinions int `yaml:"opinions"`
	// Pace is how many tickets a second are at most taken up to be scanned anew when clamd's signatures have changed. New mail goes on meanwhile.
	Pace int `yaml:"pace"`
}

// SanitizeConfig says what is masked.
type SanitizeConfig struct {
	// Leave are kinds of personal data that stay readable, such as email or phone.
	Leave []string `yaml:"leave"`
	// Masks says for each kind of personal data what agents see in its place: mask (nothing of it), last_four (its last four signs), or leave (all of it). Payment cards and bank accounts show their last four where nothing is said, and all else nothing. What is masked is revealed one value at a time, for a reason.
	Masks map[string]string `yaml:"masks"`
	// Regions are the countries whose national telephone numbers are known, such as DE or US.
	Regions []string `yaml:"regions"`
	// Previews has the first pages of PDF and office documents drawn as pictures, where poppler and LibreOffice are installed, so that agents can look at them without opening them.
	Previews bool `yaml:"previews"`
}

// Default is the configuration of one process with everything inside.
func Default() Config {
	return Config{
		DataDir:    "/var/lib/postern",
		Log:        run.LogConfig{Level: "info", Format: "json"},
		Operations: run.OperationsConfig{Listen: "127.0.0.1:9090"},
		Trace:      run.TraceConfig{Ratio: 0.01},
		NATS:       NATSConfig{Replicas: 1},
		Redis:      RedisConfig{Prefix: "postern"},
		Vault:      VaultConfig{Kind: "dir"},
		Confine:    ConfineConfig{Memory: config.Size(confine.DefaultRoom.Memory)},
		Clamd:      ClamdConfig{Address: "none", Timeout: config.Duration(2 * time.Minute)},
		Retention:  retention.Standard(),
		Ingest:     ingest.Default(),
		Verify:     verify.DefaultConfig(),
		Scan:       ScanConfig{Patience: config.Duration(24 * time.Hour), Opinions: scan.DefaultOpinions, Pace: scan.DefaultPace},
		Archive:    archive.DefaultConfig(),
		Sanitize:   SanitizeConfig{Regions: slices.Clone(pii.DefaultRegions), Previews: true},
		Keyring:    keyring.Defaults(),
		Retain:     retain.DefaultConfig(),
		Audit:      audit.DefaultConfig(),
		Desk:       desk.DefaultConfig(),
	}
}

// leastConfined is what a confined process needs to begin, and to hold a mail of ordinary size.
const leastConfined = 256 << 20

// Load reads a file over the defaults.
func Load(path string) (Config, error) {
	c := Default()
	if err := config.Load(path, &c); err != nil {
		return c, err
	}
	if err := c.below(filepath.Dir(path)); err != nil {
		return c, err
	}
	return c.Complete()
}

// Complete fills in what follows from other keys, and refuses what cannot work.
func (c Config) Complete() (Config, error) {
	var problems []error
	if !filepath.IsAbs(c.DataDir) {
		abs, err := filepath.Abs(c.DataDir)
		problems = append(problems, err)
		c.DataDir = abs
	}
	if c.Confine.Processes < 0 || c.Confine.Processes > 256 {
		problems = append(problems, fmt.Errorf("confine.processes: %d: want 0 to 256", c.Confine.Processes))
	}
	if c.Confine.Memory.Bytes() < leastConfined {
		problems = append(problems, fmt.Errorf("confine.memory: %s: want at least %s", c.Confine.Memory, config.Size(leastConfined)))
	}
	below := func(path *string, name string) {
		if *path == "" {
			*path = filepath.Join(c.DataDir, name)
		}
	}
	below(&c.NATS.Nkeys, "nkeys")
	below(&c.Vault.Dir, "vault")
	below(&c.Keyring.Dir, "keyring")
	below(&c.Audit.Key, "keys/audit.ed25519")
	below(&c.Retain.Key, "keys/certificate.ed25519")
	if !filepath.IsAbs(c.Desk.UsersFile) {
		c.Desk.UsersFile = filepath.Join(c.DataDir, c.Desk.UsersFile)
	}
	if c.Vault.Kind != "dir" && c.Vault.Kind != "s3" {
		problems = append(problems, fmt.Errorf("vault.kind %q: use dir or s3", c.Vault.Kind))
	}
	if c.Vault.Kind == "s3" && (c.Vault.S3.Endpoint == "" || c.Vault.S3.Bucket == "" || !c.Vault.S3.AccessKeyFile.Set() || !c.Vault.S3.SecretKeyFile.Set()) {
		problems = append(problems, errors.New("vault.s3: endpoint, bucket, access_key_file and secret_key_file are needed"))
	}
	if c.NATS.Replicas != 1 && c.NATS.Replicas != 3 {
		problems = append(problems, fmt.Errorf("nats.replicas %d: use 1 or 3", c.NATS.Replicas))
	}
	if err := c.Retention.Check(); err != nil {
		problems = append(problems, err)
	}
	c.Archive.Policy, c.Keyring.Policy = c.Retention, c.Retention
	var err error
	if c.Ingest, err = c.Ingest.Complete(); err != nil {
		problems = append(problems, fmt.Errorf("ingest: %w", err))
	}
	problems = append(problems, c.checkServices(), c.checkWords(), c.Desk.Check(), c.Retain.Check())
	return c, errors.Join(problems...)
}

// checkServices refuses values with which a service would not start, or not work.
func (c Config) checkServices() error {
	_, log := run.NewLogger(io.Discard, c.Log)
	problems := []error{log, c.Archive.Check()}
	if !(c.Trace.Ratio >= 0 && c.Trace.Ratio <= 1) { // and so not NaN
		problems = append(problems, fmt.Errorf("trace.ratio %v: use 0 to 1", c.Trace.Ratio))
	}
	for key, listen := range map[string]string{"desk.listen": c.Desk.Listen, "operations.listen": c.Operations.Listen} {
		if _, port, err := net.SplitHostPort(listen); listen == "" && key == "operations.listen" {
			continue // none is opened
		} else if _, no := strconv.ParseUint(port, 10, 16); err != nil || no != nil {
			problems = append(problems, fmt.Errorf("%s %q: write it as 127.0.0.1:8080, or :8080 for every address of this machine", key, listen))
		}
	}
	if c.Scan.Opinions < 0 {
		problems = append(problems, errors.New("scan.opinions must not be below zero; 0 remembers none"))
	}
	if c.Scan.Pace < 1 {
		problems = append(problems, errors.New("scan.pace must be 1 or more"))
	}
	if c.Audit.CheckpointEvery <= 0 {
		problems = append(problems, errors.New("audit.checkpoint_every must be above zero, such as 10s"))
	}
	if largest := reading.DefaultLimits.Mail; c.Ingest.MaxSize.Bytes() > largest {
		problems = append(problems, fmt.Errorf("ingest.max_size is over %dMiB, the largest mail that is read", largest>>20))
	}
	// Who may call is known when the keyring runs, and the policy has been checked.
	ring := c.Keyring
	ring.Callers, ring.Policy = map[string]string{"": ""}, retention.Standard()
	return errors.Join(append(problems, ring.Check())...)
}
