// Package search looks for words in files, as they stand and in every form in which a
// program might have written them: encoded, escaped, compressed. It is for tests that
// must show that a word is nowhere, and knows no encryption.
package search

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Hit is a word that was found.
type Hit struct {
	Path string
	Form string // how it was written, outermost first
	Word string
}

func (h Hit) String() string { return fmt.Sprintf("%s: %s, %s", h.Path, h.Word, h.Form) }

// A Finder knows some words in all their forms.
type Finder struct{ patterns []pattern }

// A pattern is one form of a word, in lower case where case does not matter.
type pattern struct {
	word, form string
	text       []byte
	exact      bool
}

// New makes a Finder. Words are in lower case and of 8 bytes at least, so that chance
// writes none of their forms.
func New(words ...string) (*Finder, error) {
	f := &Finder{}
	for _, word := range words {
		if len(word) < 8 || word != strings.ToLower(word) {
			return nil, errors.New("search: words are in lower case and of 8 bytes at least")
		}
		f.patterns = append(f.patterns, forms(word)...)
	}
	return f, nil
}

// maxDepth bounds what is packed within what is packed.
const maxDepth = 4

// Bytes gives every word and form that some bytes hold.
func (f *Finder) Bytes(data []byte) []Hit {
	hits := f.look(data, "", maxDepth)
	slices.SortFunc(hits, func(a, b Hit) int { return strings.Compare(a.Form+a.Word, b.Form+b.Word) })
	return slices.Compact(hits)
}

func (f *Finder) look(data []byte, within string, depth int) []Hit {
	hits := f.plain(data, within)
	// Lines that were broken for the sake of their length.
	if whole := unfold(data); len(whole) < len(data) && len(hits) == 0 {
		hits = f.plain(whole, within+"unfolded, ")
	}
	if depth == 0 {
		return hits
	}
	for _, inner := range unpack(data) {
		hits = append(hits, f.look(inner.data, within+inner.form+" > ", depth-1)...)
	}
	return hits
}

func (f *Finder) plain(data []byte, within string) []Hit {
	var hits []Hit
	folded := lower(data)
	for _, p := range f.patterns {
		in := folded
		if p.exact {
			in = data
		}
		if bytes.Contains(in, p.text) {
			hits = append(hits, Hit{Form: within + p.form, Word: p.word})
		}
	}
	return hits
}

// lower changes ASCII letters alone, whatever else the bytes are.
func lower(data []byte) []byte {
	out := bytes.Clone(data)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c | 0x20
		}
	}
	return out
}

var folds = strings.NewReplacer("=\r\n", "", "=\n", "", "\r\n ", "", "\r\n\t", "", "\r\n", "", "\n", "", `\r\n`, "", `\n`, "")

func unfold(data []byte) []byte {
	if !bytes.ContainsAny(data, "\r\n") && !bytes.Contains(data, []byte(`\n`)) {
		return data
	}
	return []byte(folds.Replace(string(data)))
}

// Found is what a search of folders saw.
type Found struct {
	Hits  []Hit
	Files int
	Bytes int64
}

// Folders searches every file below some folders: what it holds, how it is called, and
// the attributes that the file system keeps with it. Folders in skip are left out.
func (f *Finder) Folders(roots, skip []string) (Found, error) {
	var found Found
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // gone in the meantime, or never made
			}
			if err != nil {
				return err
			}
			if entry.IsDir() && slices.Contains(skip, path) {
				return filepath.SkipDir
			}
			return f.file(path, entry, &found)
		})
		if err != nil {
			return found, fmt.Errorf("search: %w", err)
		}
	}
	return found, nil
}

func (f *Finder) file(path string, entry fs.DirEntry, found *Found) error {
	add := func(what string, data []byte) {
		for _, hit := range f.Bytes(data) {
			found.Hits = append(found.Hits, Hit{path, what + hit.Form, hit.Word})
		}
	}
	add("its name, ", []byte(entry.Name()))
	attributes, err := attributes(path)
	if err != nil {
		return err
	}
	add("an attribute, ", attributes)
	if !entry.Type().IsRegular() {
		return nil
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	found.Files++
	found.Bytes += int64(len(content))
	add("", content)
	return nil
}

// attributes gives the names and values of a file's extended attributes, one after another.
func attributes(path string) ([]byte, error) {
	size, err := unix.Llistxattr(path, nil)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOENT) || size == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("attributes of %s: %w", path, err)
	}
	names := make([]byte, size)
	if size, err = unix.Llistxattr(path, names); err != nil {
		return nil, fmt.Errorf("attributes of %s: %w", path, err)
	}
	all := bytes.Clone(names[:size])
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:size]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, fmt.Errorf("attribute %s of %s: %w", name, path, err)
		}
		all = append(append(all, '\n'), value[:n]...)
	}
	return all, nil
}
