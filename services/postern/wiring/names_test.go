package wiring_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/services/retain"
)

// Services do not import one another, so each knows the name by itself.
func TestTheDeskLooksForCertificatesWhereRetentionPutsThem(t *testing.T) {
	for _, id := range []string{"C1", "C01JD6ZQ7KT3S8W4N2M5P9R0V1X"} {
		if desk.CertificateObject(id) != retain.CertificateObject(id) {
			t.Errorf("%s: %s and %s", id, desk.CertificateObject(id), retain.CertificateObject(id))
		}
	}
}

func TestNoMailIsFetchedThatIsLargerThanWhatIsRead(t *testing.T) {
	if ingest.MaxFetch != reading.DefaultLimits.Mail {
		t.Errorf("up to %d bytes are fetched, and up to %d are read", ingest.MaxFetch, reading.DefaultLimits.Mail)
	}
}

// Several processes of a fleet may come up over one new folder at once.
func TestSeveralProcessesMakeEachCredentialOnce(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := wiring.MakeNkeys(dir); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, name := range topology.Names() {
		seed, err := wiring.Seed(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := nkeys.FromSeed(seed)
		if err != nil {
			t.Fatal(err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		if told, err := os.ReadFile(filepath.Join(dir, name+".pub")); err != nil || string(bytes.TrimSpace(told)) != public {
			t.Errorf("%s: %q is told of %q, %v", name, told, public, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2*len(topology.Names()) {
		t.Errorf("%d files for %d credentials, %v", len(entries), len(topology.Names()), err)
	}
}
