package mail_test

import (
	"encoding/base64"
	"encoding/binary"
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

// attribute makes one attribute of a winmail.dat ([MS-OXTNEF] §2.1.3): level, name, length, data and
// the sum of its bytes.
func attribute(level byte, id uint32, data string) []byte {
	out := binary.LittleEndian.AppendUint32([]byte{level}, id)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(data)))
	out = append(out, data...)
	var sum uint16
	for i := range len(data) {
		sum += uint16(data[i])
	}
	return binary.LittleEndian.AppendUint16(out, sum)
}

func TestWinmailThatSaysTwoThingsIsAmbiguous(t *testing.T) {
	const render, title, content, properties, text = 0x00069002, 0x00018010, 0x0006800f, 0x00069005, 0x0002800c
	longName := "\x01\x00\x00\x00" + "\x1e\x00\x07\x37" + "\x01\x00\x00\x00" + "\x06\x00\x00\x00" + "a.exe\x00\x00\x00" // one property, PidTagAttachLongFilename
	wrongSum := attribute(2, content, "hello")
	wrongSum[len(wrongSum)-1] ^= 1
	for name, c := range map[string]struct {
		attributes [][]byte
		code       string
	}{
		"one thing":           {[][]byte{attribute(2, render, "x"), attribute(2, title, "a.exe\x00"), attribute(2, properties, longName), attribute(2, content, "hello")}, ""},
		"two contents":        {[][]byte{attribute(2, render, "x"), attribute(2, title, "a.txt\x00"), attribute(2, content, "hello"), attribute(2, content, "other")}, "bad_tnef"},
		"the same twice":      {[][]byte{attribute(2, render, "x"), attribute(2, title, "a.txt\x00"), attribute(2, content, "hello"), attribute(2, content, "hello")}, ""},
		"two texts":           {[][]byte{attribute(1, text, "hello"), attribute(1, text, "other")}, "bad_tnef"},
		"one text twice":      {[][]byte{attribute(1, text, "hello"), attribute(1, text, "hello\r\n")}, ""},
		"two names":           {[][]byte{attribute(2, render, "x"), attribute(2, title, "a.txt\x00"), attribute(2, properties, longName), attribute(2, content, "hello")}, "conflicting_filename"},
		"a wrong sum":         {[][]byte{attribute(2, render, "x"), attribute(2, title, "a.txt\x00"), wrongSum}, "bad_tnef"},
		"an unknown property": {[][]byte{attribute(2, render, "x"), attribute(2, properties, "\x01\x00\x00\x00\x77\x00\x07\x37"), attribute(2, content, "hello")}, "bad_tnef"},
		"too few properties":  {[][]byte{attribute(2, render, "x"), attribute(2, properties, "\x02"+longName[1:]), attribute(2, content, "hello")}, "bad_tnef"},
	} {
		t.Run(name, func(t *testing.T) {
			file := []byte{0x78, 0x9f, 0x3e, 0x22, 0, 0}
			for _, a := range c.attributes {
				file = append(file, a...)
			}
			m := mail.Parse(winmail(file), mail.Limits{})
			codes := ambiguities(m)
			if c.code == "" && len(codes) > 0 || c.code != "" && !slices.Contains(codes, c.code) {
				t.Errorf("%v in %s", codes, outline(m))
			}
			if len(m.Root.Children) != 1 || string(m.Root.Children[0].Content) != "hello" {
				t.Errorf("%s", outline(m))
			}
		})
	}
}
