package commands

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// words are all commands.
var words = []string{"run", "demo", "fleet", "setup", "inspect", "health", "doctor", "retention", "evidence", "certificate", "audit", "rebuild", "user", "version"}

func TestHelpNamesEveryCommandAndEachExplainsItself(t *testing.T) {
	t.Parallel()
	for _, ask := range []string{"help", "-h", "--help"} {
		out, complaint, code := typed(t, "", ask)
		if code != done || complaint != "" {
			t.Errorf("%s: exit %d: %s", ask, code, complaint)
		}
		for _, word := range words {
			if !regexp.MustCompile(`(?m)^  ` + word + ` +\S`).MatchString(out) {
				t.Errorf("%s does not name %s:\n%s", ask, word, out)
			}
		}
	}
	for _, word := range words {
		if out, said, code := typed(t, "", word, "--help"); code != done || !strings.Contains(out+said, "usage: postern "+word) {
			t.Errorf("%s --help: exit %d: %s%s", word, code, out, said)
		}
	}
}

func TestTheVersionIsOneLine(t *testing.T) {
	t.Parallel()
	for _, ask := range []string{"version", "--version"} {
		if out, complaint, code := typed(t, "", ask); code != done || complaint != "" || !regexp.MustCompile(`^postern \S+\n$`).MatchString(out) {
			t.Errorf("%s: exit %d: %q %s", ask, code, out, complaint)
		}
	}
}

// TestWrongUsageIsNamedAndHasACodeOfItsOwn: wrong words are 2, what cannot be done is 1;
// both say why, and neither prints anything that could be taken for a result.
func TestWrongUsageIsNamedAndHasACodeOfItsOwn(t *testing.T) {
	t.Parallel()
	nowhere := filepath.Join(t.TempDir(), "nowhere.yaml")
	alone := write(t, "data_dir: data\n")
	broken := write(t, "data_dir: data\ningset: {}\n")
	for line, c := range map[string]struct {
		code int
		says string
	}{
		"":                             {misuse, "Usage: postern COMMAND"},
		"destroy":                      {misuse, `there is no command "destroy"`},
		"version now":                  {misuse, `"now" is not understood`},
		"demo now":                     {misuse, `"now" is not understood`},
		"demo --clock-offset soon":     {misuse, `--clock-offset: duration "soon": write it like`},
		"demo --clock-offset -1h":      {misuse, `duration "-1h"`},
		"demo --clock 31d":             {misuse, "flag provided but not defined: -clock"},
		"demo --data":                  {misuse, "flag needs an argument"},
		"demo --listen 8080":           {failed, "choose another address with --listen"},
		"fleet now":                    {misuse, `"now" is not understood`},
		"fleet --clock-offset 1.5d":    {misuse, `--clock-offset: duration "1.5d"`},
		"fleet --listen nowhere:1:2":   {failed, "choose another address with --listen"},
		"run nosuch":                   {misuse, `there is no service "nosuch": name some of ingest, verify`},
		"run --config " + nowhere:      {failed, "nowhere.yaml"},
		"run --config " + broken:       {failed, `line 2: unknown key "ingset"`},
		"run verify --config " + alone: {failed, "nats.url is empty"},
		"run ingest verify scan archive sanitize desk retain audit --config " + alone: {failed, "missing are keyring"},
		"setup now":                               {misuse, `"now" is not understood`},
		"setup --keys-only --streams-only":        {misuse, "leave nothing to do"},
		"setup --config " + nowhere:               {failed, "nowhere.yaml"},
		"rebuild now":                             {misuse, `"now" is not understood`},
		"rebuild --config " + nowhere:             {failed, "nowhere.yaml"},
		"doctor now":                              {misuse, `"now" is not understood`},
		"user":                                    {misuse, "usage: postern user"},
		"user remove anna":                        {misuse, "usage: postern user"},
		"user add":                                {misuse, "usage: postern user"},
		"user add anna berta":                     {misuse, "usage: postern user"},
		"user list anna":                          {misuse, "usage: postern user"},
		"user list --config " + nowhere:           {failed, "nowhere.yaml"},
		"user link anna --config " + alone:        {failed, "sign in with a password (postern user passwd NAME sets one), or name redis.address"},
		"certificate":                             {misuse, "usage: postern certificate"},
		"certificate verify":                      {misuse, "usage: postern certificate"},
		"certificate check one":                   {misuse, "usage: postern certificate"},
		"certificate verify one --key " + nowhere: {failed, "nowhere.yaml"},
		"audit":                              {misuse, "usage: postern audit"},
		"audit prove":                        {misuse, "usage: postern audit"},
		"inspect":                            {misuse, "postern inspect"},
		"retention":                          {misuse, "usage: postern retention"},
		"retention burn --config " + nowhere: {misuse, "usage: postern retention"},
	} {
		out, complaint, code := typed(t, "", strings.Fields(line)...)
		if code != c.code || !strings.Contains(complaint, c.says) || out != "" {
			t.Errorf("postern %s: exit %d, want %d with %q:\n%s%s", line, code, c.code, c.says, out, complaint)
		}
	}
}
