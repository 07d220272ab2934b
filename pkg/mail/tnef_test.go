package mail_test

import (
	"encoding/base64"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mail"
)

func winmail(content []byte) []byte {
	return []byte("From: a@example.com\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString(content) + "\r\n")
}

func TestWinmailFilesUnpackToTheirListedFiles(t *testing.T) {
	files := corpora.Open(t)
	names, _ := fs.Glob(files, "mime/tnef/*.tnef")
	if len(names) < 17 {
		t.Fatalf("%d winmail files", len(names))
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			content, _ := fs.ReadFile(files, name)
			list, _ := fs.ReadFile(files, strings.TrimSuffix(name, ".tnef")+".list")
			want := strings.FieldsFunc(string(list), func(r rune) bool { return r == '\n' || r == '\r' })
			m := mail.Parse(winmail(content), mail.Limits{})
			var got []string
			for _, c := range m.Root.Children {
				if c.Origin != "tnef" || c.Content == nil && c.Filename == "" {
					t.Errorf("child %s: origin %q", c.Path, c.Origin)
				}
				got = append(got, c.Filename)
			}
			for _, w := range want { // the lists leave out some bodies and some attachments
				i := slices.Index(got, w)
				if i < 0 {
					t.Errorf("%q not unpacked, only %q", w, got)
					continue
				}
				got = slices.Delete(got, i, i+1)
			}
		})
	}
}

func TestWinmailThatPromisesMoreThanItHoldsIsAmbiguous(t *testing.T) {
	content := []byte{0x78, 0x9f, 0x3e, 0x22, 0, 0, 2, 0x10, 0x80, 0x01, 0, 0xff, 0, 0, 0, 'a'}
	m := mail.Parse(winmail(content), mail.Limits{})
	if !slices.Contains(m.Root.Ambiguous, "bad_tnef") {
		t.Errorf("ambiguous %v", m.Root.Ambiguous)
	}
}
