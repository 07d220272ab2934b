package inspect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/postern/inspect"
)

func TestAHundredFilesComeOutInTheOrderGiven(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for i := range 100 {
		path := filepath.Join(dir, fmt.Sprintf("%03d.eml", (i*37)%100))
		body := strings.Repeat("some text\n", 1+(i%7)*500) // of different sizes, so that they are done out of order
		if err := os.WriteFile(path, []byte(fmt.Sprintf("From: a@example.com\nSubject: %d\n\n%s", i, body)), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	list := write(t, "list", strings.Join(paths[10:], "\r\n")+"\n\n")
	out, errs, code := run(t, "", append([]string{"--list", list}, paths[:10]...)...)
	if code != 0 {
		t.Fatalf("code %d: %s", code, errs)
	}
	decoder := json.NewDecoder(strings.NewReader(out))
	for i, path := range paths {
		var d document
		if err := decoder.Decode(&d); err != nil {
			t.Fatal(err)
		}
		if d.File != path || d.Message.Subject != fmt.Sprint(i) {
			t.Fatalf("document %d is of %s", i, d.File)
		}
	}
}

func TestAnUnreadableFileCostsTheExitCodeAndNothingElse(t *testing.T) {
	good, missing := write(t, "good.eml", "From: a@example.com\n\nhi\n"), filepath.Join(t.TempDir(), "missing.eml")
	out, errs, code := run(t, "", good, missing, t.TempDir(), good)
	if code != 1 || strings.Count(out, "\n") != 2 || !strings.Contains(errs, "missing.eml") {
		t.Errorf("code %d, %d documents, %s", code, strings.Count(out, "\n"), errs)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBrokenStandardInputIsAnUnreadableInput(t *testing.T) {
	var out, errs bytes.Buffer
	if code := inspect.Run(context.Background(), []string{"-"}, brokenReader{}, &out, &errs); code != 1 || out.Len() != 0 {
		t.Errorf("code %d, %s", code, out.String())
	}
}

func TestWrongUsageEndsWithTwoAndNoDocument(t *testing.T) {
	good := write(t, "good.eml", "From: a@example.com\n\nhi\n")
	badZone := write(t, "zone.json", `{"example.com.": {"TXTS": ["x"]}}`)
	for _, args := range [][]string{
		{}, {"--no-such-flag", good}, {"--dns", filepath.Join(t.TempDir(), "missing"), good}, {"--dns", badZone, good},
		{"--client-ip", "nonsense", good}, {"--mail-from", "nonsense", good}, {"--at", "nonsense", good}, {"--clamd", "nonsense", good},
		{"--list", filepath.Join(t.TempDir(), "missing")}, {"-", "-"}, {"--pgp-keys", good, good}, {"--smime-roots", good, good},
		{"--smime-roots", filepath.Join(t.TempDir(), "missing"), good}, {"--pretty=perhaps", good},
		{"--pgp-keys", os.DevNull, good}, {"--smime-roots", os.DevNull, good}, {"--smime-roots", write(t, "blank.pem", " \n"), good},
		{"--dns", os.DevNull, good}, {"--dns", write(t, "null.json", "null"), good}, {"--dns", write(t, "list.json", "[]"), good},
		{"--mail-from", "a b@c d", good}, {"--mail-from", "a b@example.com", good}, {"--mail-from", "a@c d", good}, {"--mail-from", "a\tb@example.com", good},
	} {
		out, errs, code := run(t, "", args...)
		if code != 2 || out != "" || errs == "" {
			t.Errorf("%q: code %d, %q, %q", args, code, out, errs)
		}
	}
}

func TestAnAddressWithASpaceInQuotesIsAnAddress(t *testing.T) {
	good := write(t, "good.eml", "From: a@example.com\n\nhi\n")
	for _, address := range []string{`"a b"@example.com`, "a@example.com", "<a@example.com>", "<>"} { // the first is RFC 5321 §4.1.2
		if _, errs, code := run(t, "", "--mail-from", address, good); code != 0 {
			t.Errorf("%s: code %d, %s", address, code, errs)
		}
	}
}

func TestFlagsMayStandAfterFiles(t *testing.T) {
	good := write(t, "good.eml", "From: a@example.com\n\nhi\n")
	out, _, code := run(t, "", good, "--pretty", "--at", "2024-01-01T00:00:00Z")
	if code != 0 || !strings.HasPrefix(out, "{\n  \"file\"") {
		t.Errorf("code %d: %s", code, out)
	}
	t.Chdir(filepath.Dir(good))
	if err := os.WriteFile("--pretty", []byte("From: b@example.com\n\nhi\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d := one(t, "", "--", "--pretty"); d.File != "--pretty" || d.Message.From[0].Address != "b@example.com" {
		t.Errorf("%+v", d.Message.From)
	}
}

func TestAnEndedContextEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	if code := inspect.Run(ctx, []string{"-"}, strings.NewReader("From: a@example.com\n\n"), &out, &errs); code != 1 {
		t.Errorf("code %d", code)
	}
}
