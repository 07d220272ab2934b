package dir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/internal/dirlayout"
)

// List walks the folders in name order and holds the entries of one shard a
// level in memory. Folders that cannot hold what is asked for are not read.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[vault.Object, error] {
	return func(yield func(vault.Object, error) bool) {
		if err := vault.CheckPrefix(prefix); err != nil {
			yield(vault.Object{}, err)
			return
		}
		w := walk{ctx: ctx, root: s.root, prefix: prefix, after: after, yield: yield}
		w.folder("")
	}
}

type walk struct {
	ctx           context.Context
	root          string
	prefix, after string
	yield         func(vault.Object, error) bool
}

type entry struct {
	key string // sorts as names do
	fs.DirEntry
}

// folder walks one folder of names, "" or one that ends in a slash. Like shard it
// reports whether to go on.
func (w *walk) folder(name string) bool {
	path := dirlayout.Folder(w.root, strings.TrimSuffix(name, "/"))
	shards, err := read(path, func(e fs.DirEntry) (string, bool) { return dirlayout.ShardKey(e.Name()) })
	if err != nil {
		w.yield(vault.Object{}, err)
		return false
	}
	for _, shard := range shards {
		if w.wanted(name+shard.key) && !w.shard(name, filepath.Join(path, shard.Name())) {
			return false
		}
	}
	return true
}

func (w *walk) shard(folder, path string) bool {
	entries, err := read(path, func(e fs.DirEntry) (string, bool) { return dirlayout.EntryKey(e.Name(), e.IsDir()) })
	if err != nil {
		w.yield(vault.Object{}, err)
		return false
	}
	for _, entry := range entries {
		name := folder + entry.key
		if !w.wanted(name) {
			continue
		}
		if entry.IsDir() {
			if !w.folder(name) {
				return false
			}
			continue
		}
		if !strings.HasPrefix(name, w.prefix) || name <= w.after {
			continue
		}
		if err := w.ctx.Err(); err != nil {
			w.yield(vault.Object{}, err)
			return false
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // erased since the folder was read
		}
		if err != nil {
			w.yield(vault.Object{}, fmt.Errorf("vault list: %w", reason(err)))
			return false
		}
		if !w.yield(describe(name, info), nil) {
			return false
		}
	}
	return true
}

// wanted says whether a name that begins with start can be asked for.
func (w *walk) wanted(start string) bool {
	if !strings.HasPrefix(start, w.prefix) && !strings.HasPrefix(w.prefix, start) {
		return false
	}
	return start > w.after || strings.HasPrefix(w.after, start)
}

// read gives the entries of a folder that have a key, in the order of the keys.
func read(path string, key func(fs.DirEntry) (string, bool)) ([]entry, error) {
	found, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // erased since its parent was read
	}
	if err != nil {
		return nil, fmt.Errorf("vault list: %w", reason(err))
	}
	entries := make([]entry, 0, len(found))
	for _, e := range found {
		if k, ok := key(e); ok {
			entries = append(entries, entry{key: k, DirEntry: e})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	return entries, nil
}
