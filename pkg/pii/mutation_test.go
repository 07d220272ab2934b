package pii

import (
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
)

// sound says whether finds are in order, apart, and within the text.
func sound(text string, found []Match) bool {
	at := 0
	for _, m := range found {
		if m.Start < at || m.End <= m.Start || m.End > len(text) || !Known(m.Kind) {
			return false
		}
		at = m.End
	}
	return true
}

// The corpora as a bad line would bring them: bits, cuts, and pieces of one in
// another, with what takes no room and full-width letters strewn in.
func TestMutatedTextsAreSearchedSoundly(t *testing.T) {
	var texts [][]byte
	files := corpora.Open(t)
	for _, folder := range []string{"real", "pii"} {
		err := fs.WalkDir(files, folder, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := fs.ReadFile(files, name)
			texts = append(texts, data[:min(len(data), 32<<10)])
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	random := rand.New(rand.NewPCG(6, 4))
	strewn := []string{"\u200b", "\u00ad", "４", "＠", "\u2011", "\u00a0", "\xff", "𝟒", "٤", "\u202e", "号", "〒", "<<"}
	for i, text := range texts {
		for range 3 {
			out := append([]byte(nil), text...)
			switch random.IntN(4) {
			case 0:
				for range 1 + len(out)/100 {
					out[random.IntN(len(out))] ^= 1 << random.IntN(8)
				}
			case 1:
				out = out[random.IntN(len(out)):]
			case 2:
				other := texts[random.IntN(len(texts))]
				at, from := random.IntN(len(out)), random.IntN(len(other))
				out = append(append(out[:at:at], other[from:min(len(other), from+2000)]...), out[at:]...)
			default:
				var mixed []byte
				for _, c := range out[:min(len(out), 4<<10)] {
					mixed = append(mixed, c)
					if random.IntN(6) == 0 {
						mixed = append(mixed, strewn[random.IntN(len(strewn))]...)
					}
				}
				out = mixed
			}
			if found := Find(string(out)); !sound(string(out), found) {
				t.Errorf("text %d: %v", i, found)
			}
		}
	}
}
