package pii

import (
	"io/fs"
	"strconv"
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

// nastyTexts make the most of windows, starts and signs.
var nastyTexts = map[string]string{"apart": "1 ", "pairs": "06 ", "cards": "4111 ", "calls": "call 0301234567 ", "at": "a@", "colons": "1:",
	"wide": "1" + strings.Repeat(" ", 1000), "signs": "1-(", "hyphens": "-", "brackets": "([", "letters": "de ", "accounts": "DE 8", "keys": "aaaaaaaaaaaaaaaaaaa ", "long": "a",
	"begins": "-----BEGIN ", "dots": "1.1.1.", "words": "credit card number ", "accents": "é1",
	"houses": "12 Main Hauptstr. 5, ", "boxes": "Box 5, ", "places": "Weg 5\n12345 A\n", "flats": "A 1 Apt. 1 ", "signs of Han": "路5号", "machines": "<<A", "wide digits": "４",
	"no width": "1\u200b", "spelled": "a dot ", "spelled at": "a at a dot ", "prefixes": "DE1 CHE1 ",
	"joined digits": "4-1-1-1-", "joined words": "a1-", "joined dates": "2026-11-22-10-00-00-", "joined passports": "passport C0-", "joined licenses": "driver license C0-",
	"dates with slashes": "2026-11-22/", "dates with commas": "2026-11-22,", "underscores": "a_1_", "quotes": "\"1'", "plus": "1+", "mixed signs": "1-a.1/a:1,a_1+a@", "named values": "password=",
	"named keys": "token=1a", "quoted secrets": "password: \"", "phrases": "password: a b ", "codes": "code 1 2 3 4", "escapes": "%40", "escapes of escapes": "%2525", "escaped blanks": "1%20", "users": "://a:b@", "births": "born 1-"}

// With time by the square of the text, any of these would outlast the patience of
// the test run.
func TestNastyTextsEnd(t *testing.T) {
	for name, unit := range nastyTexts {
		t.Run(name, func(t *testing.T) { Find(strings.Repeat(unit, 1<<20/len(unit))) })
	}
}

// BenchmarkNasty shows that time grows with the text and not faster.
func BenchmarkNasty(b *testing.B) {
	for name, unit := range nastyTexts {
		for _, size := range []int{1 << 18, 1 << 19, 1 << 20} {
			b.Run(name+"/"+strconv.Itoa(size>>10)+"KB", func(b *testing.B) {
				text := strings.Repeat(unit, size/len(unit))
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					Find(text)
				}
			})
		}
	}
}
