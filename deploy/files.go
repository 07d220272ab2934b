// Package deploy holds the files that Postern is deployed with, for programs that start
// what they configure.
package deploy

import (
	_ "embed"
	"maps"
	"slices"
	"strings"
)

//go:embed clamd.conf
var clamd string

// ClamdSettings is clamd.conf with some settings replaced by name; an empty value drops one.
func ClamdSettings(replace map[string]string) string {
	var out strings.Builder
	for line := range strings.Lines(clamd) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, replaced := replace[name]; !replaced {
			out.WriteString(line)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(replace)) {
		if value := replace[name]; value != "" {
			out.WriteString(name + " " + value + "\n")
		}
	}
	return out.String()
}
