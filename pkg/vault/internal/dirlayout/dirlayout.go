// Package dirlayout knows where the directory vault keeps what: it turns names
// into paths and back. It is pure, and the only place that both the store and its
// eraser need to agree on.
//
//	root/lock                         held shared by every process that has the vault open
//	root/tmp/<digest>.<random>        a body being written, named after what it is for
//	root/objects/ra/raw/0a/0a1b.OBJ   the object raw/0a1b
//	root/objects/ra/raw/0a/0a1b.TAGS  its tags
//
// Every level has a folder of the first two bytes in between, so that a folder of
// a million objects becomes 256 of four thousand. Capitals cannot stand in names,
// so nothing collides. The order of the folders is the order of the names.
package dirlayout

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
)

const (
	objectSuffix = ".OBJ"
	tagsSuffix   = ".TAGS"
	// shardSlash stands in the name of a shard for the slash that ends a folder.
	shardSlash = "="
	shardWidth = 2
)

// Objects is the folder of all objects.
func Objects(root string) string { return filepath.Join(root, "objects") }

// Temp is the folder of bodies being written.
func Temp(root string) string { return filepath.Join(root, "tmp") }

// Lock is the file that processes lock.
func Lock(root string) string { return filepath.Join(root, "lock") }

// Object is the path of the object of that name.
func Object(root, name string) string { return stem(root, name) + objectSuffix }

// Tags is the path of the tags of the object of that name.
func Tags(root, name string) string { return stem(root, name) + tagsSuffix }

// TempPrefix is what the name of every temporary file of that object begins with.
func TempPrefix(name string) string {
	digest := sha256.Sum256([]byte(name))
	return hex.EncodeToString(digest[:16]) + "."
}

// Folder is the path of the folder that holds the shards of a folder of names:
// "" is the top.
func Folder(root, folder string) string {
	path := Objects(root)
	if folder == "" {
		return path
	}
	for segment := range strings.SplitSeq(folder, "/") {
		path = filepath.Join(path, shard(segment+"/"), segment)
	}
	return path
}

// ShardKey is what the keys of all entries of a shard begin with, and false for
// a folder that is no shard.
func ShardKey(entry string) (string, bool) {
	key := strings.Replace(entry, shardSlash, "/", 1)
	return key, len(key) >= 1 && len(key) <= shardWidth && !strings.HasPrefix(key, "/")
}

// EntryKey turns what is found in a shard into a key: the last segment of an
// object's name, or a folder's with a slash behind it. False for tags and all
// that does not belong.
func EntryKey(entry string, isDir bool) (string, bool) {
	if isDir {
		return entry + "/", true
	}
	return strings.CutSuffix(entry, objectSuffix)
}

func stem(root, name string) string {
	folder, leaf := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		folder, leaf = name[:i], name[i+1:]
	}
	return filepath.Join(Folder(root, folder), shard(leaf), leaf)
}

// shard is the first two bytes of a key. Keys sort as names do: an object's is
// its segment, a folder's ends in a slash.
func shard(key string) string {
	return strings.Replace(key[:min(shardWidth, len(key))], "/", shardSlash, 1)
}
