package commands

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/test/program"
)

// pair are two services that one process runs; the others are processes of their own.
var pair = []string{"ingest", "verify"}

func TestTwoServicesInOneProcessPassMailOnToTheOthers(t *testing.T) {
	t.Parallel()
	set, err := mailbox.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f := program.Fleet(t, fleet.Options{Zone: set.Zone, TrustMX: []string{mailbox.TrustedMX}, Without: pair, Log: t.Output()})
	t.Cleanup(func() {
		for _, name := range fleet.Services() {
			if !slices.Contains(pair, name) {
				program.Complain(t, f.LogFile(name))
			}
		}
	})
	some := set.Mails[:8]
	receive(t, f, some[:5]...)
	words := append([]string{"run", "--config", both(t, f)}, pair...)
	p := start(t, short(t), words...)
	program.Until(t, "it says that it is ready", func() bool {
		response, err := http.Get("http://" + f.Operations(pair[0]) + "/readyz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		var answer struct {
			Ready    bool     `json:"ready"`
			Services []string `json:"services"`
		}
		return json.NewDecoder(response.Body).Decode(&answer) == nil && answer.Ready && slices.Equal(answer.Services, pair)
	})
	receive(t, f, some[5:7]...)
	settled(t, f, 7)
	somebody := program.SignIn(t, link(t, f))
	if all := awaitTickets(t, somebody, 7); len(all) != 7 {
		t.Errorf("%d tickets of 7 mails", len(all))
	}
	for _, name := range pair {
		if f.PID(name) != 0 {
			t.Errorf("the fleet has a process of %s of its own", name)
		}
	}
	if code := p.interrupt(t); code != done {
		t.Fatalf("interrupted: exit %d\n%s", code, p.out.String())
	}

	receive(t, f, some[7])
	p = start(t, short(t), words...)
	settled(t, f, 8)
	if all := awaitTickets(t, somebody, 8); len(all) != 8 {
		t.Errorf("%d tickets of 8 mails", len(all))
	}
	if code := p.interrupt(t); code != done {
		t.Errorf("interrupted: exit %d\n%s", code, p.out.String())
	}
}

// both writes the configuration of a process that has the nkeys of both services, and no other's.
func both(t *testing.T, f *fleet.Fleet) string {
	t.Helper()
	folder := t.TempDir()
	nkeys := filepath.Join(folder, "nkeys")
	if err := os.CopyFS(nkeys, os.DirFS(filepath.Join(f.Folder(pair[0]), "nkeys"))); err != nil {
		t.Fatal(err)
	}
	second := pair[1] + ".seed"
	if err := os.WriteFile(filepath.Join(nkeys, second), read(t, filepath.Join(f.Folder(pair[1]), "nkeys", second)), 0o600); err != nil {
		t.Fatal(err)
	}
	if seeds, err := filepath.Glob(filepath.Join(nkeys, "*.seed")); err != nil || len(seeds) != len(pair) {
		t.Fatalf("%d seeds, %v", len(seeds), err)
	}
	config := fleet.Section{}
	if err := yaml.Unmarshal(read(t, f.ConfigFile(pair[0])), &config); err != nil {
		t.Fatal(err)
	}
	config["data_dir"] = filepath.Join(folder, "data")
	fleet.Below(config, "nats")["nkeys"] = nkeys
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "postern.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
