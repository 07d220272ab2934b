package deploy_test

import (
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"text/template"

	"go.yaml.in/yaml/v3"
)

// security is what every pod and every container is held to.
const (
	podSecurity = `automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532, fsGroupChangePolicy: OnRootMismatch, seccompProfile: {type: RuntimeDefault}}`
	containerSecurity = `securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}`
)

// command is the pod of a command that an operator runs, with its own secret, and where it needs
// them the volumes of a service's state and of the audit's key.
func command(name, words, state string) string {
	data, mounts, again := "{name: data, emptyDir: {medium: Memory, sizeLimit: 1Mi}}", "", "Never"
	if state != "" {
		data = `{name: data, persistentVolumeClaim: {claimName: data-` + state + `-0}}
        - {name: audit, persistentVolumeClaim: {claimName: data-audit-0}}`
		mounts = `
            - {name: audit, mountPath: /var/lib/postern/keys, subPath: keys}`
	}
	if name == "setup" {
		again = "OnFailure"
	}
	return podSecurity + `
      restartPolicy: ` + again + `
      containers:
        - name: postern
          image: postern
          args: [` + words + `, --config, ` + config + `]
          resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 512Mi}}
          ` + containerSecurity + `
          volumeMounts:
            - {name: config, mountPath: /etc/postern, readOnly: true}
            - {name: secrets, mountPath: /run/secrets, readOnly: true}
            - {name: data, mountPath: /var/lib/postern}` + mounts + `
      volumes:
        - {name: config, configMap: {name: postern}}
        - {name: secrets, secret: {secretName: postern-` + name + `, defaultMode: 0400}}
        - ` + data
}

// indent moves a pod into a CronJob.
func indent(pod string) string { return strings.ReplaceAll(pod, "\n", "\n    ") }

var workloads = template.Must(template.New("services").Parse(`# Generated from the table in deploy/fleet_test.go; a test compares. Secrets are named here and made by deploy/prepare.
{{range .}}---
apiVersion: apps/v1
kind: {{if .Keeps}}StatefulSet{{else}}Deployment{{end}}
metadata: {name: {{.Name}}, labels: {app.kubernetes.io/name: postern, app.kubernetes.io/component: {{.Name}}}}
spec:
  replicas: {{.Replicas}}{{if .Keyring}} # two keyrings must share one local file system: their fence is a lock on it{{end}}
  {{- if .Keeps}}
  serviceName: {{.Name}}{{end}}
  selector: {matchLabels: {app.kubernetes.io/name: postern, app.kubernetes.io/component: {{.Name}}}}
  template:
    metadata:
      labels: {app.kubernetes.io/name: postern, app.kubernetes.io/component: {{.Name}}}
      annotations: {prometheus.io/scrape: "true", prometheus.io/port: "9090", prometheus.io/path: /metrics}
    spec:
      ` + podSecurity + `
      terminationGracePeriodSeconds: 60
      containers:
        - name: postern
          image: postern
          args: [run, --config, ` + config + `, {{.Name}}]
          env: [{name: GOMEMLIMIT, value: {{.Heap}}}]
          ports: [{name: operations, containerPort: 9090}{{if .Desk}}, {name: desk, containerPort: 8080}{{end}}]
          resources: {requests: {cpu: {{.CPU}}, memory: {{.Asks}}}, limits: {memory: {{.Limit}}Mi}}
          ` + containerSecurity + `
          livenessProbe: {httpGet: {path: /healthz, port: operations}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
          readinessProbe: {httpGet: {path: /readyz, port: operations}, periodSeconds: 5, timeoutSeconds: 5}
          volumeMounts:
            - {name: config, mountPath: /etc/postern, readOnly: true}
            - {name: secrets, mountPath: /run/secrets, readOnly: true}
            - {name: data, mountPath: /var/lib/postern}
            {{- if .Scan}}
            - {name: socket, mountPath: /run/postern}
        - name: clamd # reads files in the clear: on the same machine, and nothing on a disk
          image: clamav/clamav-debian:1.4_base
          command: [clamd, --foreground, --config-file=/etc/postern/clamd.conf]
          resources: {requests: {cpu: 200m, memory: 2Gi}, limits: {memory: 4Gi}}
          ` + containerSecurity + `
          readinessProbe: {exec: {command: [clamdscan, --config-file=/etc/postern/clamd.conf, --ping, "1"]}, periodSeconds: 15, timeoutSeconds: 10}
          volumeMounts:
            - {name: config, mountPath: /etc/postern, readOnly: true}
            - {name: socket, mountPath: /run/postern}
            - {name: plain, mountPath: /tmp}
            - {name: signatures, mountPath: /var/lib/clamav, readOnly: true}{{end}}
      volumes:
        - {name: config, configMap: {name: postern}}
        - {name: secrets, secret: {secretName: postern-{{.Name}}, defaultMode: 0400}}
        {{- if not .Keeps}}
        - {name: data, emptyDir: {medium: Memory, sizeLimit: 1Mi}}{{end}}
        {{- if .Scan}}
        - {name: socket, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
        - {name: plain, emptyDir: {medium: Memory, sizeLimit: 2Gi}}
        - {name: signatures, persistentVolumeClaim: {claimName: signatures, readOnly: true}}{{end}}
  {{- if .Keeps}}
  volumeClaimTemplates: # of the keyring: a plain disk without snapshots
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOncePod], resources: {requests: {storage: {{.Keeps}}}}}{{end}}
{{if gt .Replicas 1}}---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: {{.Name}}}
spec:
  maxUnavailable: 1
  selector: {matchLabels: {app.kubernetes.io/name: postern, app.kubernetes.io/component: {{.Name}}}}
{{end}}{{end}}---
apiVersion: v1
kind: Service
metadata: {name: desk}
spec:
  selector: {app.kubernetes.io/name: postern, app.kubernetes.io/component: desk}
  ports: [{name: http, port: 80, targetPort: desk}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: signatures}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 2Gi}}} # freshclam writes, every scan reads
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: freshclam, labels: {app.kubernetes.io/name: postern, app.kubernetes.io/component: freshclam}}
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector: {matchLabels: {app.kubernetes.io/name: postern, app.kubernetes.io/component: freshclam}}
  template:
    metadata: {labels: {app.kubernetes.io/name: postern, app.kubernetes.io/component: freshclam}}
    spec:
      ` + podSecurity + `
      containers:
        - name: freshclam
          image: clamav/clamav-debian:1.4_base
          command: [freshclam, --daemon, --foreground, --stdout, --config-file=/etc/postern/freshclam.conf]
          resources: {requests: {cpu: 50m, memory: 256Mi}, limits: {memory: 2Gi}}
          ` + containerSecurity + `
          volumeMounts:
            - {name: config, mountPath: /etc/postern, readOnly: true}
            - {name: signatures, mountPath: /var/lib/clamav}
            - {name: scratch, mountPath: /tmp}
      volumes:
        - {name: config, configMap: {name: postern}}
        - {name: signatures, persistentVolumeClaim: {claimName: signatures}}
        - {name: scratch, emptyDir: {sizeLimit: 1Gi}}
---
apiVersion: batch/v1
kind: Job # makes the streams, or brings them up to date; it deletes nothing, and is gone soon after
metadata: {name: setup, labels: {app.kubernetes.io/name: postern, app.kubernetes.io/component: setup}}
spec:
  ttlSecondsAfterFinished: 120
  template:
    metadata: {labels: {app.kubernetes.io/name: postern, app.kubernetes.io/component: setup}}
    spec:
      ` + command("setup", "setup, --streams-only", "") + `
---
apiVersion: batch/v1
kind: CronJob # never by itself: kubectl create job doctor --from=cronjob/operator
metadata: {name: operator, labels: {app.kubernetes.io/name: postern, app.kubernetes.io/component: operator}}
spec:
  suspend: true
  schedule: "0 0 1 1 *"
  jobTemplate:
    spec:
      ttlSecondsAfterFinished: 86400
      backoffLimit: 0
      template:
        metadata: {labels: {app.kubernetes.io/name: postern, app.kubernetes.io/component: operator}}
        spec:
          ` + indent(command("operator", "doctor", "")) + `
---
apiVersion: batch/v1
kind: CronJob # never by itself, and only while every service is scaled to 0: kubectl create job rebuild --from=cronjob/rebuild
metadata: {name: rebuild, labels: {app.kubernetes.io/name: postern, app.kubernetes.io/component: rebuild}}
spec:
  suspend: true
  schedule: "0 0 1 1 *"
  jobTemplate:
    spec:
      ttlSecondsAfterFinished: 86400
      backoffLimit: 0
      template:
        metadata: {labels: {app.kubernetes.io/name: postern, app.kubernetes.io/component: rebuild}}
        spec:
          ` + indent(command("rebuild", "rebuild", "keyring")) + `
`))

// The servers are yours, in any namespace, known by the name that charts label them with.
var policies = template.Must(template.New("network").Parse(`# Generated from the table in deploy/fleet_test.go; a test compares. Nobody talks to anybody but as said here.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: names} # of servers: every pod asks the cluster's own name server
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]
      ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: metrics}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/name: postern}}
  policyTypes: [Ingress]
  ingress:
    - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
      ports: [{port: 9090}]
{{range .}}---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: {{.Name}}}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/name: postern, app.kubernetes.io/component: {{.Name}}}}
  policyTypes: [{{if .Desk}}Ingress, {{end}}Egress]
  egress:
    - to: [{namespaceSelector: {}, podSelector: {matchLabels: {app.kubernetes.io/name: nats}}}]
      ports: [{port: 4222}]
    {{- if .Vault}}
    - to: [{namespaceSelector: {}, podSelector: {matchLabels: {app.kubernetes.io/name: versitygw}}}] # or the ipBlock of your S3
      ports: [{port: 7070}]{{end}}
    {{- if .Redis}}
    - to: [{namespaceSelector: {}, podSelector: {matchLabels: {app.kubernetes.io/name: redis}}}]
      ports: [{port: 6379}]{{end}}
    {{- if .Out}}
    - ports: [{{range $i, $port := .Out}}{{if $i}}, {{end}}{port: {{$port}}}{{if eq $port 53}}, {port: 53, protocol: UDP}{{end}}{{end}}]{{end}}
  {{- if .Desk}}
  ingress:
    - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}] # what speaks TLS before it
      ports: [{port: 8080}]{{end}}
{{end}}---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: freshclam}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: freshclam}}
  policyTypes: [Egress]
  egress: [{ports: [{port: 443}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: setup}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: setup}}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {}, podSelector: {matchLabels: {app.kubernetes.io/name: nats}}}]
      ports: [{port: 4222}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: commands}
spec:
  podSelector: {matchExpressions: [{key: app.kubernetes.io/component, operator: In, values: [operator, rebuild]}]}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: app.kubernetes.io/name, operator: In, values: [nats, versitygw, redis]}]}}]
      ports: [{port: 4222}, {port: 7070}, {port: 6379}]
    - ports: [{port: 993}, {port: 143}, {port: 443}]
`))

func made(t *testing.T, from *template.Template) string {
	t.Helper()
	var out strings.Builder
	if err := from.Execute(&out, parts); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTheManifestsAreMadeFromTheTable(t *testing.T) {
	same(t, "kubernetes/services.yaml", made(t, workloads))
	same(t, "kubernetes/network.yaml", made(t, policies))
	same(t, "kubernetes/clamd.conf", clamdSettings())
	if read(t, "kubernetes/freshclam.conf") != read(t, "compose/freshclam.conf") {
		t.Error("freshclam's settings are two")
	}
}

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
