package attachment

import (
	"bytes"
	"context"
	"io/fs"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mail"
)

// BenchmarkScanRealMails scans the corpora's real mails one after another; parsing
// is not in it.
func BenchmarkScanRealMails(b *testing.B) {
	files := corpora.Open(b)
	var mails []*mail.Message
	size := int64(0)
	err := fs.WalkDir(files, "real", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(files, path)
		mails = append(mails, mail.Parse(raw, mail.Limits{}))
		size += int64(len(raw))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size / int64(len(mails)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		Scan(context.Background(), mails[i%len(mails)], Options{})
	}
}

// BenchmarkScanFile scans one attached file of each kind.
func BenchmarkScanFile(b *testing.B) {
	text := bytes.Repeat([]byte("An ordinary line of an ordinary text, 1234567890.\n"), 2000)
	for name, content := range map[string][]byte{
		"text":     text,
		"zip":      zipOf(b, member{name: "a.txt", content: text}, member{name: "b.txt", content: text}),
		"document": wordPackage(b, member{name: "word/footer1.xml", content: text}),
		"compound": compoundFile([]string{"WordDocument", "1Table"}, [][]byte{text, text}),
		"PDF":      pdfOf("1 0 obj << /Type /ObjStm /Filter /FlateDecode >> stream\n"+deflatedStream(b, text)+"\nendstream endobj", string(text)),
		"page":     append([]byte("<html>"), text...),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				scanFile(b, "x", content)
			}
		})
	}
}

// BenchmarkBomb scans an archive that unfolds beyond all limits.
func BenchmarkBomb(b *testing.B) {
	bomb := bombOf(b)
	b.SetBytes(int64(len(bomb)))
	b.ReportAllocs()
	for b.Loop() {
		scanFile(b, "bomb.zip", bomb)
	}
}
