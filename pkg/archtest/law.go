// Package archtest is the import law as data, and the test that holds the code
// to it. A package that breaks it is named with the reason why the law is there.
package archtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Module is the path that every package of the project begins with.
const Module = "github.com/postern-mail/postern"

// layers of pkg/, lowest first. A package may import its own layer and those
// before it.
var layers = []struct {
	name     string
	packages []string
}{
	{"ground", []string{"fault", "event", "redact", "retention", "signet", "wholefile"}},
	{"knowledge", []string{"mail", "mailauth", "signature", "attachment", "picture", "clean", "pii", "customer"}},
	{"doors", []string{"seal", "vault", "bus", "readmodel", "clam", "keys", "keyfolder", "reading", "resolve", "confine", "preview"}},
	{"frame", []string{"config", "stage", "run", "archtest", "corpora"}},
}

// A door is the one package that may import an outside module, and why.
type door struct {
	module string   // import path prefix
	behind []string // packages of ours, with all below them
	reason string
}

var doors = []door{
	{"github.com/nats-io/nats.go", []string{"pkg/bus"}, "services meet on the bus and must not know what it is made of"},
	{"github.com/nats-io/nats-server", []string{"pkg/bus/embedded"}, "only the one-process shape carries a server"},
	{"github.com/ProtonMail", []string{"pkg/seal", "pkg/signature"}, "sealing is done one way; signatures are knowledge about mail"},
	{"github.com/minio/minio-go", []string{"pkg/vault/internal/s3client"}, "objects are kept one way, erased by few"},
	{"github.com/redis/go-redis", []string{"pkg/readmodel"}, "Redis is a projection and nothing more"},
	{"github.com/alicebob/miniredis", []string{"pkg/readmodel/embedded"}, "only the one-process shape carries a Redis"},
	{"github.com/emersion/go-imap", []string{"services/ingest", "services/postern/demo/mailbox"}, "the IMAP library is beta and stays behind our interface"},
	{"go.opentelemetry.io/otel/sdk", []string{"pkg/run"}, "where spans go is decided once"},
	{"go.opentelemetry.io/otel/exporters", []string{"pkg/run"}, "where spans go is decided once"},
}

// outward are packages of the standard library that reach out of the process. What
// knowledge needs from outside it asks for through interfaces of its own.
var outward = []string{"os", "net", "net/http", "net/smtp", "net/rpc", "log", "log/slog", "syscall", "database/sql", "plugin"}

// starters are who may start other programs: for a mail, only what is confined.
var starters = []string{"pkg/confine", "pkg/preview", "services/postern/fleet", "services/ingest/imaptest", "pkg/bus/bustest", "pkg/clam/clamtest", "pkg/readmodel/redistest", "pkg/vault/s3/s3test"}

// rights are packages whose import is a right, and who has it.
var rights = []struct {
	of     string
	who    []string
	reason string
}{
	{"pkg/seal/open", []string{"pkg/reading", "services/verify", "services/scan", "services/sanitize", "services/desk", "services/keyring", "services/postern"}, "importing seal/open is the right to read"},
	{"pkg/reading", []string{"services/verify", "services/scan", "services/sanitize", "services/postern"}, "importing reading is the right to read"},
	{"pkg/vault/erase", []string{"services/retain", "services/postern"}, "importing the vault's eraser is the right to destroy"},
}

// judge gives every way in which one package's imports break the law.
func judge(pkg string, imports []string) []string {
	var broken []string
	own, inProject := strings.CutPrefix(pkg, Module+"/")
	if !inProject || within(own, "test") {
		return nil // stories look at the whole system from outside
	}
	for _, imported := range imports {
		ours, isOurs := strings.CutPrefix(imported, Module+"/")
		if isOurs {
			broken = append(broken, judgeInner(own, ours)...)
			continue
		}
		if at := layer(own); at >= 0 && layers[at].name == "knowledge" && (slices.Contains(outward, imported) || within(imported, "os")) {
			broken = append(broken, fmt.Sprintf("%s imports %s: knowledge reaches nothing outside but through interfaces that it declares", own, imported))
		}
		if imported == "os/exec" && !slices.ContainsFunc(starters, func(s string) bool { return within(own, s) }) {
			broken = append(broken, fmt.Sprintf("%s imports %s: no program is started for a mail but confined", own, imported))
		}
		for _, d := range doors {
			if within(imported, d.module) && !slices.ContainsFunc(d.behind, func(b string) bool { return within(own, b) }) {
				broken = append(broken, fmt.Sprintf("%s imports %s, whose door is %s: %s", own, imported, strings.Join(d.behind, " and "), d.reason))
			}
		}
	}
	return broken
}

func judgeInner(own, imported string) []string {
	var broken []string
	if from, to := service(own), service(imported); from != "postern" && to != "" && from != to {
		broken = append(broken, fmt.Sprintf("%s imports %s: services meet on the bus; only services/postern wires them", own, imported))
	}
	from, to := layer(own), layer(imported)
	if from >= 0 && to > from {
		broken = append(broken, fmt.Sprintf("%s (%s) imports %s (%s): nobody imports upward", own, layers[from].name, imported, layers[to].name))
	}
	for _, right := range rights {
		holder := func(who string) bool { return within(own, who) }
		if within(imported, right.of) && !within(own, right.of) && !slices.ContainsFunc(right.who, holder) {
			broken = append(broken, fmt.Sprintf("%s imports %s: %s, and only %s have it", own, imported, right.reason, strings.Join(right.who, ", ")))
		}
	}
	return broken
}

// layer gives the index of a pkg/ package's layer, or -1. Test support below a
// package belongs to it.
func layer(own string) int {
	rest, ok := strings.CutPrefix(own, "pkg/")
	if !ok {
		return -1
	}
	name, _, _ := strings.Cut(rest, "/")
	return slices.IndexFunc(layers, func(l struct {
		name     string
		packages []string
	}) bool {
		return slices.Contains(l.packages, name)
	})
}

// service gives the name of the service that a package belongs to, or "".
func service(own string) string {
	rest, ok := strings.CutPrefix(own, "services/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func within(imported, prefix string) bool {
	return imported == prefix || strings.HasPrefix(imported, strings.TrimSuffix(prefix, "/")+"/")
}

// forbidden are names that hide what a package is for.
var forbidden = []string{"common", "util", "utils", "types", "models", "core", "helpers", "misc"}

func badName(pkg string) bool { return slices.Contains(forbidden, path.Base(pkg)) }
