package commands

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/test/program"
)

// made are the files of a folder, with their contents.
func made(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		files[entry.Name()] = string(read(t, filepath.Join(folder, entry.Name())))
	}
	return files
}

func TestSetupMakesNkeysAndPermissionsOnce(t *testing.T) {
	t.Parallel()
	config := write(t, "data_dir: data\n")
	nkeys := filepath.Join(filepath.Dir(config), "data", "nkeys")
	out, complaint, code := typed(t, "", "setup", "--config", config)
	if code != done || !strings.Contains(out, "nkeys are in "+nkeys) || !strings.Contains(out, "permissions.conf") || !strings.Contains(out, "made when it runs") {
		t.Fatalf("exit %d: %s%s", code, out, complaint)
	}
	first := made(t, nkeys)
	for _, name := range append(fleet.Services(), "setup", "doctor", "rebuild") {
		if !strings.HasPrefix(first[name+".seed"], "SU") || !strings.HasPrefix(first[name+".pub"], "U") {
			t.Errorf("%s: seed %d bytes, public half %q", name, len(first[name+".seed"]), first[name+".pub"])
		}
		if !strings.Contains(first["permissions.conf"], strings.TrimSpace(first[name+".pub"])) {
			t.Errorf("the permissions do not name %s", name)
		}
		if strings.Contains(first["permissions.conf"], strings.TrimSpace(first[name+".seed"])) {
			t.Errorf("the permissions hold the seed of %s", name)
		}
	}
	for name := range first {
		if info, err := os.Stat(filepath.Join(nkeys, name)); err != nil || info.Mode().Perm()&0o077 != 0 && !strings.HasSuffix(name, ".pub") {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	for _, folder := range []string{nkeys, filepath.Dir(nkeys)} {
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", folder, info.Mode(), err)
		}
	}
	for _, flag := range []string{"", "--keys-only"} {
		if _, complaint, code := typed(t, "", strings.Fields("setup --config "+config+" "+flag)...); code != done {
			t.Errorf("again: exit %d: %s", code, complaint)
		}
		again := made(t, nkeys)
		for name, text := range first {
			if again[name] != text {
				t.Errorf("%s is another", name)
			}
		}
		if len(again) != len(first) {
			t.Errorf("%d files, and %d before", len(again), len(first))
		}
	}
}

// TestSomeServicesRunAgainstABusOfTheirOwn goes the way of the README: setup makes the keys
// and the permissions, the server includes them, setup makes the streams, two services run.
func TestSomeServicesRunAgainstABusOfTheirOwn(t *testing.T) {
	t.Parallel()
	server, err := fleet.Find("nats-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	folder := t.TempDir()
	config := filepath.Join(folder, "postern.yaml")
	configure := func(url string) {
		text := fmt.Sprintf("data_dir: data\nnats: {url: %q}\noperations: {listen: \"127.0.0.1:0\"}\n", url)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("nats://127.0.0.1:1")
	if out, complaint, code := typed(t, "", "setup", "--config", config, "--keys-only"); code != done {
		t.Fatalf("exit %d: %s%s", code, out, complaint)
	}
	settings := fmt.Sprintf("listen: \"127.0.0.1:-1\"\nmax_payload: 1MB\nports_file_dir: %q\njetstream { store_dir: %q, sync_interval: always }\ninclude \"data/nkeys/permissions.conf\"\n",
		folder, filepath.Join(folder, "store"))
	if err := os.WriteFile(filepath.Join(folder, "nats.conf"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	bus := exec.Command(server, "-c", filepath.Join(folder, "nats.conf"))
	var log output
	bus.Stdout, bus.Stderr = &log, &log
	if err := bus.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = bus.Process.Kill()
		_ = bus.Wait()
	})
	var ports struct {
		NATS []string `json:"nats"`
	}
	program.Until(t, "nats-server tells its port", func() bool {
		text, err := os.ReadFile(filepath.Join(folder, fmt.Sprintf("nats-server_%d.ports", bus.Process.Pid)))
		return err == nil && json.Unmarshal(text, &ports) == nil && len(ports.NATS) > 0
	})
	configure(ports.NATS[0])
	for range 2 {
		if out, complaint, code := typed(t, "", "setup", "--config", config); code != done || !strings.Contains(out, "streams and consumers are there") {
			t.Fatalf("exit %d: %s%s\n%s", code, out, complaint, log.String())
		}
	}

	// Where keys are elsewhere, its own seed is enough for the streams, and no other is made.
	elsewhere := t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, "setup.seed"), read(t, filepath.Join(folder, "data", "nkeys", "setup.seed")), 0o600); err != nil {
		t.Fatal(err)
	}
	apart := write(t, fmt.Sprintf("data_dir: data\nnats: {url: %q, nkeys: %q}\n", ports.NATS[0], elsewhere))
	if out, complaint, code := typed(t, "", "setup", "--config", apart, "--streams-only"); code != done || out != "streams and consumers are there\n" {
		t.Errorf("exit %d: %s%s", code, out, complaint)
	}
	if there := made(t, elsewhere); len(there) != 1 {
		t.Errorf("%d keys were made", len(there)-1)
	}

	operations := freeAddress(t)
	text := bytes.Replace(read(t, config), []byte("127.0.0.1:0"), []byte(operations), 1)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, short(t), "run", "--config", config, "ingest", "verify")
	var answer struct {
		Services []string          `json:"services"`
		Waiting  map[string]string `json:"waiting"`
	}
	program.Until(t, "it says what it waits for", func() bool {
		response, err := http.Get("http://" + operations + "/readyz")
		if err != nil {
			select {
			case <-p.ended:
				t.Fatalf("it ended:\n%s", p.out.String())
			default:
			}
			return false
		}
		defer response.Body.Close()
		answer.Services, answer.Waiting = nil, nil
		return json.NewDecoder(response.Body).Decode(&answer) == nil && answer.Waiting["ingest"] == "the keyring" && answer.Waiting["verify"] == "the keyring"
	})
	if want := []string{"ingest", "verify"}; !slices.Equal(answer.Services, want) || len(answer.Waiting) != 2 {
		t.Errorf("services %v, waiting %v", answer.Services, answer.Waiting)
	}
	if code := p.interrupt(t); code != done {
		t.Errorf("interrupted: exit %d:\n%s", code, p.out.String())
	}
}
