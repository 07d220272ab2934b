package story

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/test/program"
)

// costs counts what lasts: writes to the vault and changes of records.
type costs struct {
	mu      sync.Mutex
	puts    map[string]int // by object
	changes map[string]int // by item
}

func (c *costs) around(service string) bus.Around {
	return func(call bus.Call, do func() error) error {
		if item, is := strings.CutPrefix(call.Subject, "items."); is && call.Kind == bus.CallPublish {
			c.mu.Lock()
			c.changes[item]++
			c.mu.Unlock()
			if service != "keyring" {
				panic(service + " writes item records")
			}
		}
		return do()
	}
}

// store is a vault as the archive needs it.
type store interface {
	vault.Store
	vault.Filer
}

type countedVault struct {
	store
	costs *costs
}

func (v countedVault) Put(ctx context.Context, name string, body io.Reader, options vault.PutOptions) (vault.Object, error) {
	v.costs.mu.Lock()
	v.costs.puts[name]++
	v.costs.mu.Unlock()
	return v.store.Put(ctx, name, body, options)
}

// A mail of ordinary size is written to the vault once and its record four times; a layer
// that is too large for its record is one write more.
func TestAMailCostsOneWriteToTheVaultAndFourChangesOfItsRecord(t *testing.T) {
	c := &costs{puts: map[string]int{}, changes: map[string]int{}}
	one := program.StartOne(t, wiring.Options{
		Around: c.around,
		Vault:  func(s vault.Store) vault.Store { return countedVault{s.(store), c} },
	})
	records := one.Settled(t)
	one.Stop(t)
	ordinary := 0
	for item, record := range records {
		if record.GetState() != itemv1.State_STATE_TICKETED {
			t.Errorf("%s is %v", item, record.GetState())
		}
		if c.changes[item] != 4 {
			t.Errorf("UID %d: its record was changed %d times", record.GetUid(), c.changes[item])
		}
		puts := 0
		for name, n := range c.puts {
			if strings.Contains(name, item) {
				puts += n
			}
		}
		want := 1
		for _, layer := range record.GetLayers() {
			if layer.GetKind() != itemv1.LayerKind_LAYER_KIND_RAW && layer.GetObject() != "" {
				want++
			}
		}
		if want == 1 {
			ordinary++
		}
		if puts != want {
			t.Errorf("UID %d: %d writes to the vault, want %d", record.GetUid(), puts, want)
		}
	}
	if ordinary < len(records)/2 {
		t.Errorf("only %d of %d mails are of ordinary size", ordinary, len(records))
	}
}
