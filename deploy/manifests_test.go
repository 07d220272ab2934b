package deploy_test

import (
	"strings"
	"testing"
	"text/template"
)

// security is what every pod and every container is held to.
const (
	podSecurity = `automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532, fsGroupChangePolicy: OnRootMismatch, seccompProfile: {type: RuntimeDefault}}`
	containerSecurity = `securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}`
	// confiningSecurity is for who shuts decoders in, which takes namespaces.
	confiningSecurity = `securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}, seccompProfile: {type: Localhost, localhostProfile: postern.json}}`
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
	secure := containerSecurity
	if name == "operator" { // doctor tries what scan and sanitize need
		secure = confiningSecurity
	}
	return podSecurity + `
      restartPolicy: ` + again + `
      containers:
        - name: postern
          image: postern
          args: [` + words + `, --config, ` + config + `]
          resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 512Mi}}
          ` + secure + `
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
          {{if .Confines}}` + confiningSecurity + `{{else}}` + containerSecurity + `{{end}}
          livenessProbe: {httpGet: {path: /healthz, port: operations}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
          readinessProbe: {httpGet: {path: /readyz, port: operations}, periodSeconds: 5, timeoutSeconds: 5}
          volumeMounts:
            - {name: config, mountPath: /etc/postern, readOnly: true}
            - {name: secrets, mountPath: /run/secrets, readOnly: true}
            - {name: data, mountPath: /var/lib/postern}
            {{- if .Decrypts}}
            - {name: openpgp, mountPath: /run/decryption/openpgp, readOnly: true}
            - {name: smime, mountPath: /run/decryption/smime, readOnly: true}
            - {name: passphrases, mountPath: /run/decryption/passphrases, readOnly: true}{{end}}
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
        {{- if .Decrypts}}
        - {name: openpgp, secret: {secretName: postern-openpgp, defaultMode: 0400, optional: true}} # the company's private keys, where mail comes encrypted
        - {name: smime, secret: {secretName: postern-smime, defaultMode: 0400, optional: true}}
        - {name: passphrases, secret: {secretName: postern-passphrases, defaultMode: 0400, optional: true}}{{end}}
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
        - name: rules # puts the company's own YARA rules, if there are any, beside the signatures
          image: clamav/clamav-debian:1.4_base
          command: [/bin/sh, /etc/postern/rules, /rules, /var/lib/clamav]
          env: [{name: RULES_EVERY, value: "60"}]
          resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 64Mi}}
          ` + containerSecurity + `
          volumeMounts:
            - {name: config, mountPath: /etc/postern, readOnly: true}
            - {name: rules, mountPath: /rules, readOnly: true}
            - {name: signatures, mountPath: /var/lib/clamav}
      volumes:
        - {name: config, configMap: {name: postern}}
        - {name: rules, configMap: {name: postern-rules, optional: true}}
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
	same(t, "kubernetes/rules", read(t, "clamav/rules"))
	if read(t, "kubernetes/freshclam.conf") != read(t, "compose/freshclam.conf") {
		t.Error("freshclam's settings are two")
	}
}
