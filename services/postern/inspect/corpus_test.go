package inspect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"hash/fnv"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/services/postern/inspect"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// A corpusMail is one message of the corpora. Whatever lies in a folder of mails is
// taken for one: every byte sequence is a message.
type corpusMail struct {
	name string
	raw  []byte
}

// corpusMails gives every mail of the corpora, and a zone in which the domains of
// their authors answer: some with a policy, some without, some not at all.
func corpusMails(t testing.TB) (mails []corpusMail, zone []byte) {
	t.Helper()
	files := corpora.Open(t)
	names := map[string]map[string]any{}
	record := func(name, key string, value any) {
		name = strings.TrimSuffix(strings.ToLower(name), ".") + "."
		if names[name] == nil {
			names[name] = map[string]any{}
		}
		names[name][key] = value
	}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		top, _, _ := strings.Cut(name, "/")
		if err != nil || entry.IsDir() || top != "mime" && top != "real" && top != "dkim" {
			return err
		}
		raw, err := fs.ReadFile(files, name)
		switch {
		case err != nil:
			return err
		case strings.HasSuffix(name, ".dns"):
			var part map[string]map[string]any
			if err := json.Unmarshal([]byte(zoneOf(string(raw))), &part); err != nil {
				return err
			}
			for name, fields := range part {
				for key, value := range fields {
					record(name, key, value)
				}
			}
			return nil
		case strings.HasPrefix(name, "dkim/stalwart/"): // keys stand before the message, one a line
			keys, rest, _ := bytes.Cut(raw, []byte("\n\n"))
			for line := range strings.Lines(string(keys)) {
				if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
					record(name, "TXT", []string{value})
				}
			}
			raw = rest
		}
		mails = append(mails, corpusMail{name, raw})
		return nil
	})
	if err != nil || len(mails) < 1000 {
		t.Fatalf("%d mails, %v", len(mails), err)
	}
	for _, m := range mails {
		for _, a := range mail.Parse(m.raw, mail.Limits{}).From {
			_, domain, _ := strings.Cut(a.Addr, "@")
			if domain == "" || strings.ContainsAny(domain, " \t<>") {
				continue
			}
			sum := fnv.New32()
			sum.Write([]byte(strings.ToLower(domain))) //nolint:errcheck // a hash does not fail
			switch sum.Sum32() % 5 {
			case 0:
				record("_dmarc."+domain, "TXT", []string{"v=DMARC1; p=reject"})
				record(domain, "TXT", []string{"v=spf1 ip4:0.0.0.0/0 -all"})
			case 1:
				record("_dmarc."+domain, "TXT", []string{"v=DMARC1; p=quarantine"})
				record(domain, "TXT", []string{"v=spf1 ip4:128.0.0.0/1 ~all"})
			case 2:
				record("_dmarc."+domain, "TXT", []string{"v=DMARC1; p=none"})
				record(domain, "TXT", []string{"v=spf1 -all"})
			case 3:
				record("_dmarc."+domain, "error", "servfail")
				record(domain, "error", "timeout")
			}
		}
	}
	zone, err = json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	return mails, zone
}

// writeMails writes mails to files and gives a list of their paths for --list.
func writeMails(t testing.TB, mails []corpusMail) (list string) {
	t.Helper()
	dir := t.TempDir()
	var paths strings.Builder
	for i, m := range mails {
		path := filepath.Join(dir, strconv.Itoa(i)+".eml")
		if err := os.WriteFile(path, m.raw, 0o600); err != nil {
			t.Fatal(err)
		}
		paths.WriteString(path + "\n")
	}
	list = filepath.Join(dir, "list")
	if err := os.WriteFile(list, []byte(paths.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return list
}

const (
	asCommand = "POSTERN_TEST_INSPECT"
	peakFile  = "POSTERN_TEST_PEAK" // names a file for the most memory that the command held, in bytes
)

// The test's own binary is the built command, for tests that want a process of it.
func TestMain(m *testing.M) {
	wiring.Enter()
	if os.Getenv(asCommand) == "1" {
		code := inspect.Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
		if path := os.Getenv(peakFile); path != "" {
			if err := os.WriteFile(path, []byte(strconv.Itoa(peak())), 0o600); err != nil {
				code = 3
			}
		}
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// peak is the most memory that this process held since it was started (proc(5)).
func peak() int {
	status, _ := os.ReadFile("/proc/self/status")
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, err := strconv.Atoi(strings.Fields(after + " none")[0])
	if err != nil {
		return -1
	}
	return kilobytes << 10
}

// command is the built command as a process of its own.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// printed gives what the built command prints, a line a document.
func printed(t testing.TB, args ...string) [][]byte {
	t.Helper()
	cmd := command(t, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("postern inspect: %v: %s", err, errs.String())
	}
	return bytes.Split(bytes.TrimSuffix(out, []byte("\n")), []byte("\n"))
}

func TestWhatIsSaidDoesNotDependOnWhereItIsLookedInto(t *testing.T) {
	mails, _ := corpusMails(t)
	var some []corpusMail
	for i := 0; i < len(mails); i += 5 {
		some = append(some, mails[i])
	}
	list := writeMails(t, some)
	took := regexp.MustCompile(`"took_ms":[0-9]+`)
	confined, unconfined := printed(t, "--list", list), printed(t, "--unconfined", "--list", list)
	if len(confined) != len(some) || len(unconfined) != len(some) {
		t.Fatalf("%d and %d documents of %d mails", len(confined), len(unconfined), len(some))
	}
	for i := range confined {
		if !bytes.Equal(took.ReplaceAll(confined[i], nil), took.ReplaceAll(unconfined[i], nil)) {
			t.Errorf("%s:\n%s\n%s", some[i].name, confined[i], unconfined[i])
		}
	}
}
