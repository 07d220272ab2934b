package deploy_test

import (
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/postern-mail/postern/services/postern/wiring"
)

// A manifest is what these tests look at in any kind of object.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Replicas int
		Template struct {
			Spec pod
		}
		JobTemplate struct {
			Spec struct{ Template struct{ Spec pod } }
		} `yaml:"jobTemplate"`
		Suspend     bool
		PodSelector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		} `yaml:"podSelector"`
		Egress []struct {
			To []struct {
				PodSelector struct {
					MatchLabels map[string]string `yaml:"matchLabels"`
				} `yaml:"podSelector"`
			}
			Ports []struct{ Port int }
		}
		VolumeClaimTemplates []any `yaml:"volumeClaimTemplates"`
	}
}

type pod struct {
	HostNetwork, HostPID, HostIPC bool
	Automount                     *bool          `yaml:"automountServiceAccountToken"`
	SecurityContext               map[string]any `yaml:"securityContext"`
	InitContainers                []any          `yaml:"initContainers"`
	Containers                    []struct {
		Name, Image     string
		Args            []string
		SecurityContext struct {
			Escalation   *bool `yaml:"allowPrivilegeEscalation"`
			Privileged   bool
			ReadOnly     bool                `yaml:"readOnlyRootFilesystem"`
			Capabilities map[string][]string `yaml:"capabilities"`
			Seccomp      map[string]string   `yaml:"seccompProfile"`
		} `yaml:"securityContext"`
		LivenessProbe, ReadinessProbe map[string]any
		Resources                     struct {
			Requests, Limits map[string]string
		}
	}
	Volumes []struct {
		Name      string
		HostPath  any `yaml:"hostPath"`
		Projected any
		Secret    *struct {
			SecretName string `yaml:"secretName"`
		}
	}
}

func manifests(t *testing.T, name string) []manifest {
	t.Helper()
	var all []manifest
	for decoder := yaml.NewDecoder(strings.NewReader(read(t, name))); ; {
		var one manifest
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
}

func TestEachPodHasItsOwnSecretAloneAndNoPrivilege(t *testing.T) {
	running := map[string]manifest{}
	for _, m := range manifests(t, "kubernetes/services.yaml") {
		if !slices.Contains([]string{"Deployment", "StatefulSet", "Job", "CronJob"}, m.Kind) {
			continue
		}
		running[m.Metadata.Name] = m
		spec := m.Spec.Template.Spec
		if m.Kind == "CronJob" {
			if spec = m.Spec.JobTemplate.Spec.Template.Spec; !m.Spec.Suspend {
				t.Errorf("%s runs by itself", m.Metadata.Name)
			}
		}
		if spec.HostNetwork || spec.HostPID || spec.HostIPC || spec.Automount == nil || *spec.Automount || len(spec.InitContainers) > 0 ||
			spec.SecurityContext["runAsNonRoot"] != true || spec.SecurityContext["runAsUser"] != user || spec.SecurityContext["seccompProfile"] == nil {
			t.Errorf("%s: %+v", m.Metadata.Name, spec)
		}
		for _, c := range spec.Containers {
			if s := c.SecurityContext; s.Escalation == nil || *s.Escalation || s.Privileged || !s.ReadOnly || !slices.Equal(s.Capabilities["drop"], []string{"ALL"}) || len(s.Capabilities["add"]) > 0 {
				t.Errorf("%s: %s: %+v", m.Metadata.Name, c.Name, s)
			}
			if confines := c.Name == "postern" && (wiring.Confines(m.Metadata.Name) || m.Metadata.Name == "operator"); confines != (c.SecurityContext.Seccomp["localhostProfile"] == "postern.json") {
				t.Errorf("%s: %s: seccomp %v, and shuts decoders in: %t", m.Metadata.Name, c.Name, c.SecurityContext.Seccomp, confines)
			}
			if c.Resources.Requests["memory"] == "" || c.Resources.Limits["memory"] == "" {
				t.Errorf("%s: %s asks for %v", m.Metadata.Name, c.Name, c.Resources)
			}
		}
		var secrets []string
		for _, v := range spec.Volumes {
			if v.HostPath != nil || v.Projected != nil {
				t.Errorf("%s: volume %s", m.Metadata.Name, v.Name)
			}
			if v.Secret != nil {
				secrets = append(secrets, v.Secret.SecretName)
			}
		}
		want := []string{"postern-" + m.Metadata.Name}
		if m.Metadata.Name == "freshclam" {
			want = nil
		}
		if slices.Contains([]string{"verify", "scan", "sanitize"}, m.Metadata.Name) { // which read what customers wrote
			want = append(want, "postern-openpgp", "postern-smime", "postern-passphrases")
		}
		if !slices.Equal(secrets, want) {
			t.Errorf("%s has the secrets %v", m.Metadata.Name, secrets)
		}
	}
	for _, p := range parts {
		m, there := running[p.Name]
		if !there {
			t.Errorf("%s is missing", p.Name)
			continue
		}
		postern := m.Spec.Template.Spec.Containers[0]
		if !slices.Equal(postern.Args, []string{"run", "--config", config, p.Name}) || m.Spec.Replicas != p.Replicas || len(m.Spec.VolumeClaimTemplates) > 0 != (p.Keeps != "") {
			t.Errorf("%s runs %v, %d times, with %v", p.Name, postern.Args, m.Spec.Replicas, m.Spec.VolumeClaimTemplates)
		}
	}
	if len(running) != len(parts)+4 { // freshclam, setup, operator, rebuild
		t.Errorf("running are %v", slices.Sorted(maps.Keys(running)))
	}
	if strings.Contains(read(t, "kubernetes/services.yaml"), "kind: Secret") {
		t.Error("a secret stands in the file")
	}
}

func TestEachPodReachesTheServersThatItsServiceUsesAlone(t *testing.T) {
	of := map[string]manifest{}
	for _, m := range manifests(t, "kubernetes/network.yaml") {
		of[m.Metadata.Name] = m
	}
	if everything := of["nobody"].Spec; len(everything.PodSelector.MatchLabels) > 0 || len(everything.Egress) > 0 {
		t.Errorf("nobody: %+v", everything)
	}
	labelled := map[string]string{"nats": "nats", "versitygw": "s3", "redis": "redis"}
	for _, p := range parts {
		policy := of[p.Name].Spec
		if policy.PodSelector.MatchLabels["app.kubernetes.io/component"] != p.Name {
			t.Errorf("%s: of %v", p.Name, policy.PodSelector)
		}
		reaches := map[string]int{}
		var out []int
		for _, rule := range policy.Egress {
			for _, to := range rule.To {
				reaches[labelled[to.PodSelector.MatchLabels["app.kubernetes.io/name"]]] = rule.Ports[0].Port
			}
			for _, port := range rule.Ports {
				if len(rule.To) == 0 && !slices.Contains(out, port.Port) {
					out = append(out, port.Port)
				}
			}
		}
		if !maps.Equal(reaches, p.servers()) || !slices.Equal(out, p.Out) {
			t.Errorf("%s reaches %v and anywhere at %v", p.Name, reaches, out)
		}
	}
}
