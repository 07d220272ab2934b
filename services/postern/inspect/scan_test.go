package inspect_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"github.com/postern-mail/postern/pkg/clam/clamtest"
	"github.com/postern-mail/postern/pkg/corpora"
)

func attached(name string, content []byte) string {
	return "From: a@example.com\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nsee attached\n--b\nContent-Type: application/octet-stream\n" +
		"Content-Disposition: attachment; filename=\"" + name + "\"\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(content) + "\n--b--\n"
}

func zipped(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	f.Write(content) //nolint:errcheck // a bytes.Buffer does not fail
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestTheEICARTestFileIsFoundInANestedZip(t *testing.T) {
	files := corpora.Open(t)
	eicar, err := fs.ReadFile(files, "attachments/eicar.com.txt")
	if err != nil {
		t.Fatal(err)
	}
	d := one(t, attached("a.zip", zipped(t, "b.zip", zipped(t, "eicar.com", eicar))), "-")
	if d.Scan.Verdict != "infected" || len(d.Attachments) != 1 || d.Attachments[0].Verdict != "infected" {
		t.Fatalf("%+v %+v", d.Scan, d.Attachments)
	}
	inner := d.Attachments[0].Children[0].Children[0]
	if inner.Name != "eicar.com" || inner.Verdict != "infected" || inner.Size != len(eicar) {
		t.Errorf("%+v", inner)
	}
	if d := one(t, attached("notes.txt", []byte("hello there")), "-"); d.Scan.Verdict != "clean" || !slices.Contains(d.Scan.Reasons, "no_second_opinion") {
		t.Errorf("%+v", d.Scan)
	}
}

func TestAScannerThatDoesNotAnswerNeverMakesAMailClean(t *testing.T) {
	d := one(t, attached("notes.txt", []byte("hello there")), "--clamd", "unix:"+filepath.Join(t.TempDir(), "nobody.sock"), "-")
	if d.Scan.Verdict != "error" || d.Attachments[0].Verdict != "error" {
		t.Errorf("%+v %+v", d.Scan, d.Attachments)
	}
}

func TestClamdGivesTheSecondOpinion(t *testing.T) {
	files := corpora.Open(t)
	address := clamtest.Start(t)
	eicar, err := fs.ReadFile(files, "attachments/eicar.com.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := one(t, attached("notes.txt", []byte("hello there")), "--clamd", address, "-"); d.Scan.Verdict != "clean" || len(d.Scan.Reasons) != 0 {
		t.Errorf("a text: %+v", d.Scan)
	}
	if d := one(t, attached("notes.txt", eicar), "--clamd", address, "-"); d.Scan.Verdict != "infected" {
		t.Errorf("the test file: %+v", d.Scan)
	}
}
