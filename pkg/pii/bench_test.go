package pii

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
)

// BenchmarkFind searches the corpora's real mails as they stand.
func BenchmarkFind(b *testing.B) {
	files := corpora.Open(b)
	var text strings.Builder
	err := fs.WalkDir(files, "real", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, path)
		text.Write(data)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	all := text.String()
	b.SetBytes(int64(len(all)))
	b.ReportAllocs()
	for b.Loop() {
		Find(all)
	}
}

// BenchmarkNastyDigits searches what makes the most windows.
func BenchmarkNastyDigits(b *testing.B) {
	for name, unit := range map[string]string{"apart": "1 ", "pairs": "06 ", "cards": "4111 ", "calls": "call 0301234567 ", "at": "a@", "colons": "1:"} {
		b.Run(name, func(b *testing.B) {
			text := strings.Repeat(unit, 1<<20/len(unit))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				Find(text)
			}
		})
	}
}
