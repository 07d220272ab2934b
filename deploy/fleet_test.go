package deploy_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/postern-mail/postern/deploy"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/services/postern/wiring"
)

var update = flag.Bool("update", false, "write the files that are made from the table of services")

const (
	user   = 65532 // of every container
	config = "/etc/postern/postern.yaml"
)

// A part is one service as it is deployed.
type part struct {
	Name     string
	Limit    int    // MiB of memory: above the most that was seen with 48 mails of 50 MB at once, and a quarter more where all came encrypted by S/MIME
	Asks     string // memory of an ordinary day
	CPU      string
	Replicas int
	Keeps    string // size of the volume for what it keeps; "": nothing
	Out      []int  // ports that it may reach anywhere
}

// parts are all services, in wiring.Order.
var parts = []part{
	{"ingest", 768, "128Mi", "100m", 1, "1Gi", []int{993, 143, 443}}, // a refresh token is written anew
	{"verify", 1536, "128Mi", "100m", 2, "", []int{53}},
	{"scan", 2048, "128Mi", "100m", 2, "", nil},
	{"archive", 256, "96Mi", "100m", 2, "", nil},
	{"sanitize", 1536, "128Mi", "250m", 2, "", nil},
	{"desk", 512, "128Mi", "100m", 2, "", nil},
	{"retain", 512, "96Mi", "50m", 1, "1Gi", nil}, // its signing key
	{"audit", 256, "96Mi", "50m", 1, "1Gi", nil},  // its signing key, and how far it signed
	{"keyring", 512, "128Mi", "200m", 1, "4Gi", nil},
}

// Heap is Go's own limit, below the container's.
func (p part) Heap() string { return fmt.Sprintf("%dMiB", p.Limit*13/16) }

// Scan, Desk and Keyring are what templates ask.
func (p part) Scan() bool    { return p.Name == "scan" }
func (p part) Desk() bool    { return p.Name == "desk" }
func (p part) Keyring() bool { return p.Name == "keyring" }

// Vault and Redis tell what it opens, as the code does.
func (p part) Vault() bool { vault, _ := wiring.Needs(p.Name); return vault }
func (p part) Redis() bool { _, redis := wiring.Needs(p.Name); return redis }

// Decrypts tells whether it gets the company's private keys.
func (p part) Decrypts() bool { return wiring.Decrypts(p.Name) }

// Confines tells whether it shuts decoders in.
func (p part) Confines() bool { return wiring.Confines(p.Name) }

// servers are what it reaches, and at which port.
func (p part) servers() map[string]int {
	reaches := map[string]int{"nats": 4222}
	if p.Vault() {
		reaches["s3"] = 7070
	}
	if p.Redis() {
		reaches["redis"] = 6379
	}
	return reaches
}

// secrets are the files that deploy/prepare makes for it.
func (p part) secrets() []string {
	files := []string{"ca.pem", p.Name + ".seed"}
	if p.Vault() {
		files = append(files, "s3-access-key", "s3-secret-key")
	}
	if p.Redis() {
		files = append(files, "redis-password")
	}
	if p.Keyring() { // it knows its callers by them
		for _, name := range topology.Names() {
			files = append(files, name+".pub")
		}
	}
	slices.Sort(files)
	return files
}

func TestEveryServiceIsDeployed(t *testing.T) {
	var names []string
	for _, p := range parts {
		names = append(names, p.Name)
	}
	if !slices.Equal(names, wiring.Order) {
		t.Errorf("deployed are %v, and there are %v", names, wiring.Order)
	}
}

func TestTheConfigurationsOfBothKindsAreRead(t *testing.T) {
	for _, folder := range []string{"compose", "kubernetes"} {
		c, err := wiring.Load(filepath.Join(folder, "postern.yaml"))
		if err != nil {
			t.Fatalf("%s: %v", folder, err)
		}
		if c.NATS.Nkeys != "/run/secrets" || c.NATS.CAFile != "/run/secrets/ca.pem" || !strings.HasPrefix(c.NATS.URL, "tls://nats") {
			t.Errorf("%s: nats %+v", folder, c.NATS)
		}
		for what, path := range map[string]string{
			"s3-access-key": string(c.Vault.S3.AccessKeyFile), "s3-secret-key": string(c.Vault.S3.SecretKeyFile),
			"redis-password": string(c.Redis.PasswordFile), "imap-password": string(c.Ingest.Mailboxes[0].PasswordFile), "users.yaml": c.Desk.UsersFile,
		} {
			if path != "/run/secrets/"+what {
				t.Errorf("%s: %s is at %s", folder, what, path)
			}
		}
		if want := map[string]string{"compose": "/run/secrets/decryption", "kubernetes": "/run/decryption"}[folder]; c.Decryption.Keys != want {
			t.Errorf("%s: the company's keys are at %s", folder, c.Decryption.Keys)
		}
		if c.Operations.Listen != ":9090" || c.Desk.Listen != ":8080" || c.DataDir != "/var/lib/postern" || c.Clamd.Address != "unix:/run/postern/clamd.sock" {
			t.Errorf("%s: operations %q, desk %q, data %q, clamd %q", folder, c.Operations.Listen, c.Desk.Listen, c.DataDir, c.Clamd.Address)
		}
	}
}

// clamdSettings are for a container: one user, whose number has no name, and memory at /tmp.
func clamdSettings() string {
	return deploy.ClamdSettings(map[string]string{"LocalSocketGroup": "", "User": "", "TemporaryDirectory": "/tmp"})
}

// same holds a file to what it is made from.
func same(t *testing.T, name, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, name); got != want {
		t.Errorf("deploy/%s is not current: run make generate", name)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// decode reads YAML into what only its fields fit.
func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}
