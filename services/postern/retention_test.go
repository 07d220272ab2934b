package main

import (
	"strings"
	"testing"
)

func TestARetentionCommandWithoutAReasonIsNotCarriedOut(t *testing.T) {
	item := strings.Repeat("a", 64)
	for name, args := range map[string][]string{
		"hold":                    {"hold", item},
		"erase":                   {"erase", item},
		"release":                 {"release", "Hcourt", item},
		"an empty one":            {"hold", item, "--reason", ""},
		"one of several words":    {"hold", item, "--reason", "Marge Okafor asks"},
		"one that is an address":  {"erase", item, "--reason", "marge@postbox.example"},
		"one that is over length": {"release", "Hcourt", item, "--reason", strings.Repeat("a", 65)},
	} {
		var complaint strings.Builder
		code := retentionCommand(t.Context(), append(args, "--config", "none.yaml"), stdio{err: &complaint})
		if code != misuse || !strings.Contains(complaint.String(), "--reason") {
			t.Errorf("%s: exit %d, %q", name, code, complaint.String())
		}
	}
	// With a good one it goes on to its configuration, which is not there.
	var complaint strings.Builder
	code := retentionCommand(t.Context(), []string{"hold", item, "--reason", "case-7", "--config", "none.yaml"}, stdio{err: &complaint})
	if code != failed || !strings.Contains(complaint.String(), "none.yaml") {
		t.Errorf("a good reason: exit %d, %q", code, complaint.String())
	}
}
