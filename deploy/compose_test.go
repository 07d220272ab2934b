package deploy_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/postern/wiring"
)

type composed struct {
	Services map[string]struct {
		Image       string
		User        string
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		CapAdd      []string `yaml:"cap_add"`
		Privileged  bool
		SecurityOpt []string `yaml:"security_opt"`
		NetworkMode string   `yaml:"network_mode"`
		Restart     string
		MemLimit    string `yaml:"mem_limit"`
		MemAndSwap  string `yaml:"memswap_limit"`
		Command     []string
		Networks    []string
		Ports       []string
		Volumes     []string
		Devices     []string
		Pid         string
		Environment map[string]string
		Healthcheck map[string]any
		Profiles    []string
	}
	Networks map[string]struct{ Internal bool }
}

func compose(t *testing.T) composed {
	var c composed
	decode(t, read(t, "compose/compose.yaml"), &c)
	return c
}

func TestEachContainerOfAServiceHasItsOwnSecretsAndReachesItsServersAlone(t *testing.T) {
	c := compose(t)
	reached := map[string][]string{} // by network
	for name, s := range c.Services {
		for _, network := range s.Networks {
			if _, there := c.Networks[network]; !there {
				t.Errorf("%s: there is no network %s", name, network)
			}
			reached[network] = append(reached[network], name)
		}
	}
	for _, p := range parts {
		s, there := c.Services[p.Name]
		if !there {
			t.Errorf("%s is missing", p.Name)
			continue
		}
		if want := []string{"run", "--config", config, p.Name}; !slices.Equal(s.Command, want) {
			t.Errorf("%s runs %v", p.Name, s.Command)
		}
		mounts := []string{"./postern.yaml:" + config + ":ro", "./secrets/" + p.Name + ":/run/secrets:ro"}
		if p.Keeps != "" {
			mounts = append(mounts, "./data/"+p.Name+":/var/lib/postern")
		}
		if p.Scan() {
			mounts = append(mounts, "clamd:/run/postern")
		}
		if !slices.Equal(s.Volumes, mounts) {
			t.Errorf("%s has %v, want %v", p.Name, s.Volumes, mounts)
		}
		if s.MemLimit != fmt.Sprintf("%dm", p.Limit) || s.MemAndSwap != s.MemLimit || s.Environment["GOMEMLIMIT"] != p.Heap() || s.Restart == "" || s.Healthcheck["test"] == nil {
			t.Errorf("%s: memory %s and %s of %d MiB, restart %q, health %v", p.Name, s.MemLimit, s.Environment["GOMEMLIMIT"], p.Limit, s.Restart, s.Healthcheck)
		}
		if !c.Networks[p.Name].Internal {
			t.Errorf("the network of %s is not internal", p.Name)
		}
		want := append(slices.Collect(maps.Keys(p.servers())), p.Name, "prometheus")
		if got := reached[p.Name]; !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
			t.Errorf("on the network of %s are %v, want %v", p.Name, got, want)
		}
		if own := 1 + min(len(p.Out), 1); len(s.Networks) != own && !p.Desk() {
			t.Errorf("%s is on %v", p.Name, s.Networks)
		}
		if published := len(s.Ports) > 0; published != p.Desk() {
			t.Errorf("%s publishes %v", p.Name, s.Ports)
		}
	}
	for _, network := range []string{"mailservers", "nameservers", "agents", "signatures"} {
		for _, name := range reached[network] {
			if !slices.Contains([]string{"ingest", "operator", "verify", "desk", "freshclam"}, name) {
				t.Errorf("%s is on %s", name, network)
			}
		}
	}
}

// security is what is asked of a container: those who shut decoders in need namespaces for it, and doctor
// tries whether that can be done.
func security(name string) []string {
	if wiring.Confines(name) || name == "operator" {
		return []string{"no-new-privileges:true", "seccomp=../container/seccomp.json", "apparmor=unconfined"}
	}
	return []string{"no-new-privileges:true"}
}

func TestNoContainerHasAPrivilege(t *testing.T) {
	for name, s := range compose(t).Services {
		if s.User != fmt.Sprintf("%d:%d", user, user) || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 ||
			s.Privileged || !slices.Equal(s.SecurityOpt, security(name)) || len(s.Devices) > 0 || s.Pid != "" {
			t.Errorf("%s: %+v", name, s)
		}
		if _, tag, tagged := strings.Cut(s.Image, ":"); !tagged || strings.Contains(tag, "latest") {
			t.Errorf("%s: the version of %s is open", name, s.Image)
		}
		for _, volume := range s.Volumes {
			if strings.Contains(volume, "docker.sock") || strings.Contains(volume, "secrets/keep") || strings.Contains(volume, "./secrets:") {
				t.Errorf("%s has %s", name, volume)
			}
			if strings.Contains(volume, "/run/secrets") && !strings.HasSuffix(volume, ":ro") {
				t.Errorf("%s may change its secrets", name)
			}
		}
		if len(s.Profiles) == 0 && s.MemLimit == "" {
			t.Errorf("%s has no memory limit", name)
		}
	}
}

func TestPrometheusAsksEveryService(t *testing.T) {
	var scrape struct {
		Configs []struct {
			Job    string                       `yaml:"job_name"`
			Static []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	decode(t, read(t, "prometheus/prometheus.yaml"), &scrape)
	var want []string
	for _, p := range parts {
		want = append(want, p.Name+":9090")
	}
	if len(scrape.Configs) != 1 || scrape.Configs[0].Job != "postern" || !slices.Equal(scrape.Configs[0].Static[0].Targets, want) {
		t.Errorf("it asks %+v", scrape)
	}
}

func TestTheScannerThatReadsInTheClearHasNoNetwork(t *testing.T) {
	clamd := compose(t).Services["clamd"]
	if clamd.NetworkMode != "none" || len(clamd.Networks) > 0 {
		t.Errorf("clamd: %q %v", clamd.NetworkMode, clamd.Networks)
	}
	same(t, "compose/clamd.conf", clamdSettings())
}
