package signature

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

// nothingElse is a cleartext signature with no word that is not signed (RFC 9580 §7.1).
var nothingElse = regexp.MustCompile(`^\s*-----BEGIN PGP SIGNED MESSAGE-----[ \t]*\r?\n(?:Hash:[ A-Za-z0-9,-]{1,40}\r?\n)*[ \t]*\r?\n(?s:.*)\n-----BEGIN PGP SIGNATURE-----[ \t]*\r?\n(?:[A-Za-z0-9+/=]*[ \t]*\r?\n)*-----END PGP SIGNATURE-----\s*$`)

// Whatever is made of a signed text: where it is said to be whole, nothing stands in it that is unsigned.
func FuzzCleartext(f *testing.F) {
	paths, err := filepath.Glob("testdata/attacks/*inline*.eml")
	if err != nil || len(paths) == 0 {
		f.Fatal(err)
	}
	for _, path := range append(paths, "testdata/openpgp/inline.eml", "testdata/openpgp/inline-with-text-before.eml") {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if _, body, found := bytes.Cut(raw, []byte("\r\n\r\n")); found {
			f.Add(body)
		}
	}
	keys := testKeys(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		raw := append([]byte("From: anna@example.com\r\n\r\n"), body...)
		for _, r := range Check(mail.Parse(raw, mail.Limits{}), keys, received) {
			if r.Result == Good && r.Covers == Whole && !nothingElse.Match(body) {
				t.Errorf("whole: %q", body)
			}
		}
	})
}
