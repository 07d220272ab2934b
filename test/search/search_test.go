package search

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"golang.org/x/sys/unix"
)

const (
	plain   = "zk7qxv9wrj"
	strange = "ümläut=&<zk9q>"
)

func finder(t testing.TB) *Finder {
	t.Helper()
	f, err := New(plain, strange)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// pack runs a text through a writer.
func pack[W io.WriteCloser](t testing.TB, text string, open func(io.Writer) W) string {
	t.Helper()
	var b bytes.Buffer
	w := open(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWordsAreFoundInEveryForm(t *testing.T) {
	f := finder(t)
	for _, word := range []string{plain, strange} {
		noise := strings.Repeat("the rest of a long text, ", 12)
		text := noise + word + noise
		little, big := sixteen(text)
		packed := pack(t, text, func(w io.Writer) *gzip.Writer { return gzip.NewWriter(w) })
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		written := map[string]string{
			"plain":                    text,
			"upper case":               strings.ToUpper(plain) + noise,
			"utf-16le":                 string(little),
			"utf-16be":                 "x" + string(big),
			"base64, at 0":             base64.StdEncoding.EncodeToString([]byte(noise[:24] + word + noise)),
			"base64, at 1":             base64.StdEncoding.EncodeToString([]byte(noise[:25] + word + noise)),
			"base64, at 2":             base64.StdEncoding.EncodeToString([]byte(noise[:26] + word + noise)),
			"base64url":                base64.RawURLEncoding.EncodeToString([]byte(text)),
			"base64 in short lines":    fold(base64.StdEncoding.EncodeToString([]byte(text)), 7, "\r\n"),
			"base64 of base64 of gzip": base64.StdEncoding.EncodeToString([]byte(packed)),
			"base32":                   base32.StdEncoding.EncodeToString([]byte(text)),
			"hex":                      hex.EncodeToString([]byte(text)),
			"upper case hex":           fmt.Sprintf("%X", text),
			"hex dump":                 fmt.Sprintf("% x", text),
			"list of numbers":          fmt.Sprint([]byte(text)),
			"quoted-printable":         pack(t, text, func(w io.Writer) *quotedprintable.Writer { return quotedprintable.NewWriter(w) }),
			"url":                      url.QueryEscape(text),
			"json":                     string(quoted),
			"go":                       fmt.Sprintf("%+q", text),
			"gzip":                     "before" + packed,
			"gzip, cut off":            packed[:len(packed)-4],
			"zlib":                     pack(t, text, func(w io.Writer) *zlib.Writer { return zlib.NewWriter(w) }),
			"zstd":                     pack(t, text, func(w io.Writer) *zstd.Encoder { e, _ := zstd.NewWriter(w); return e }),
			"s2":                       pack(t, text, func(w io.Writer) *s2.Writer { return s2.NewWriter(w) }),
			"snappy":                   pack(t, text, func(w io.Writer) *s2.Writer { return s2.NewWriter(w, s2.WriterSnappyCompat()) }),
			"lz4":                      pack(t, text, func(w io.Writer) *lz4.Writer { return lz4.NewWriter(w) }),
			"zip":                      pack(t, text, func(w io.Writer) *member { return newMember(t, w) }),
			"gzip within zstd":         pack(t, packed, func(w io.Writer) *zstd.Encoder { e, _ := zstd.NewWriter(w); return e }),
		}
		for form, bytes := range written {
			if form == "upper case" && word != plain {
				continue
			}
			if hits := f.Bytes([]byte(bytes)); len(hits) == 0 || hits[0].Word != word {
				t.Errorf("%s as %s: found %v", word, form, hits)
			}
		}
		if hits := f.Bytes([]byte(noise + word[:len(word)-1])); len(hits) > 0 {
			t.Errorf("a shorter word is taken for %s: %v", word, hits)
		}
	}
}

// A member is the one file of a zip.
type member struct {
	io.Writer
	whole *zip.Writer
}

func newMember(t testing.TB, w io.Writer) *member {
	whole := zip.NewWriter(w)
	one, err := whole.Create("member.txt")
	if err != nil {
		t.Fatal(err)
	}
	return &member{one, whole}
}

func (m *member) Close() error { return m.whole.Close() }

func fold(text string, width int, end string) string {
	var b strings.Builder
	for len(text) > width {
		b.WriteString(text[:width] + end)
		text = text[width:]
	}
	return b.String() + text
}

// The string "aaaaaaaaaa" + the word, in liblzf's form by hand: one literal a, a reference
// of 9 bytes to the byte before, ten literals.
func TestStringsOfRedisSnapshotsAreFound(t *testing.T) {
	packed := "\x00a" + "\xe0\x00\x00" + "\x09" + plain
	rdb := "REDIS0010" + "\xc3" + string(rune(len(packed))) + "\x14" + packed + "\xff"
	hits := finder(t).Bytes([]byte(rdb))
	found := false
	for _, hit := range hits {
		found = found || strings.HasPrefix(hit.Form, "lzf")
	}
	if !found {
		t.Errorf("found %v", hits)
	}
}

func TestNamesAndAttributesOfFilesAreSearched(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": plain, "b-" + plain: "", "c": "nothing", "skipped/d": plain} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := 2
	if unix.Setxattr(filepath.Join(dir, "c"), "user.note", []byte(plain), 0) == nil {
		want++
	}
	found, err := finder(t).Folders([]string{dir, filepath.Join(dir, "never made")}, []string{filepath.Join(dir, "skipped")})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Hits) != want || found.Files != 3 {
		t.Errorf("%d files, found %v, want %d hits", found.Files, found.Hits, want)
	}
}

func FuzzUnpackingStopsAndHarmsNobody(f *testing.F) {
	find := finder(f)
	f.Add([]byte("REDIS0010\xc3\x0a\x14\x00a\xe0\x00\x00\x09zk7qxv9wrj"))
	f.Add([]byte("PK\x03\x04"))
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	f.Add([]byte("\xff\x06\x00\x00S2sTwO"))
	f.Fuzz(func(_ *testing.T, data []byte) { find.Bytes(data) })
}
