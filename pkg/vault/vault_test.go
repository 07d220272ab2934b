package vault_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/postern-mail/postern/pkg/vault"
)

func TestNamesThatAreAccepted(t *testing.T) {
	for _, name := range []string{
		"a", "raw/0a1b.01k", "raw/2026-11-21/x_y", "a/b/c", "a..b",
		strings.Repeat("a", vault.MaxSegment),
		longName(vault.MaxName),
	} {
		if err := vault.CheckName(name); err != nil {
			t.Errorf("%.40q: %v", name, err)
		}
	}
}

func TestNamesThatAreRefused(t *testing.T) {
	for _, name := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".hidden", "a/.b",
		"A", "ä", "a b", "a\x00b", "a\\b", "a%2fb", "a\nb", "a:b",
		strings.Repeat("a", vault.MaxSegment+1),
		longName(vault.MaxName + 1),
	} {
		if err := vault.CheckName(name); !errors.Is(err, vault.ErrName) {
			t.Errorf("%.40q: %v", name, err)
		}
	}
}

// longName has exactly n bytes in segments of at most 100.
func longName(n int) string {
	name := strings.Repeat(strings.Repeat("a", 99)+"/", n/100+1)[:n]
	return strings.TrimSuffix(name, "/") + strings.Repeat("b", len(name)-len(strings.TrimSuffix(name, "/")))
}

func TestAPrefixMayEndInASlashOrBeEmpty(t *testing.T) {
	for _, prefix := range []string{"", "a", "a/", "a/b"} {
		if err := vault.CheckPrefix(prefix); err != nil {
			t.Errorf("%q: %v", prefix, err)
		}
	}
	for _, prefix := range []string{"/", "..", "../", "a//", "A"} {
		if err := vault.CheckPrefix(prefix); !errors.Is(err, vault.ErrName) {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}

func TestTagsAreHeldToTheirLimits(t *testing.T) {
	tags := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[string(rune('a'+i))] = "v"
		}
		return m
	}
	good := []map[string]string{
		nil, tags(vault.MaxTags), {"class": ""}, {"due": "2026-12-24"},
		{strings.Repeat("k", vault.MaxTagKey): strings.Repeat("v", vault.MaxTagContent)},
	}
	for i, m := range good {
		if err := vault.CheckTags(m); err != nil {
			t.Errorf("good %d: %v", i, err)
		}
	}
	bad := []map[string]string{
		tags(vault.MaxTags + 1), {"": "v"}, {"a": "<"}, {"ä": "v"}, {"a": "line\n"},
		{strings.Repeat("k", vault.MaxTagKey+1): "v"}, {"k": strings.Repeat("v", vault.MaxTagContent+1)},
	}
	for i, m := range bad {
		if err := vault.CheckTags(m); err == nil {
			t.Errorf("bad %d was accepted", i)
		}
	}
}

func TestASizedBodyEndsInAnErrorWhenItsLengthIsNotTheOneAnnounced(t *testing.T) {
	for _, c := range []struct {
		length int
		size   int64
		good   bool
	}{
		{0, 0, true}, {5, 0, true}, {5, -1, true}, {5, 5, true},
		{5, 4, false}, {5, 6, false}, {0, 1, false},
	} {
		for _, shape := range []func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader,
		} {
			data, err := io.ReadAll(vault.Sized(shape(bytes.NewReader(make([]byte, c.length))), c.size))
			if c.good && (err != nil || len(data) != c.length) {
				t.Errorf("%d bytes announced as %d: read %d, %v", c.length, c.size, len(data), err)
			}
			if !c.good && !errors.Is(err, vault.ErrSize) {
				t.Errorf("%d bytes announced as %d: %v", c.length, c.size, err)
			}
		}
	}
}

func FuzzCheckName(f *testing.F) {
	for _, seed := range []string{"a/b", "../x", "a//b", "A", "", ".", "a/\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if vault.CheckName(name) != nil {
			return
		}
		for segment := range strings.SplitSeq(name, "/") {
			if segment == "" || segment == "." || segment == ".." {
				t.Fatalf("accepted %q", name)
			}
		}
		if strings.ToLower(name) != name || strings.ContainsAny(name, "\x00\\ :%") {
			t.Fatalf("accepted %q", name)
		}
	})
}
