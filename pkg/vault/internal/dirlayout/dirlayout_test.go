package dirlayout

import (
	"strings"
	"testing"
)

func TestWhereThingsAre(t *testing.T) {
	for name, want := range map[string]string{
		"raw/0a1b": "/r/objects/ra/raw/0a/0a1b.OBJ",
		"a":        "/r/objects/a/a.OBJ",
		"a/b":      "/r/objects/a=/a/b/b.OBJ",
		"ab/cd/ef": "/r/objects/ab/ab/cd/cd/ef/ef.OBJ",
		"x.y":      "/r/objects/x./x.y.OBJ",
	} {
		if got := Object("/r", name); got != want {
			t.Errorf("%s is at %s, want %s", name, got, want)
		}
	}
	if got := Tags("/r", "raw/0a1b"); got != "/r/objects/ra/raw/0a/0a1b.TAGS" {
		t.Errorf("tags are at %s", got)
	}
}

func TestShardsAndEntriesGiveTheirKeysBack(t *testing.T) {
	for entry, want := range map[string]string{"ra": "ra", "a": "a", "a=": "a/", "x.": "x."} {
		if got, ok := ShardKey(entry); !ok || got != want {
			t.Errorf("shard %q: %q, %v", entry, got, ok)
		}
	}
	for _, entry := range []string{"", "raw", "="} {
		if key, ok := ShardKey(entry); ok {
			t.Errorf("%q is taken for the shard %q", entry, key)
		}
	}
	if key, ok := EntryKey("0a1b.OBJ", false); !ok || key != "0a1b" {
		t.Errorf("object: %q, %v", key, ok)
	}
	if key, ok := EntryKey("raw", true); !ok || key != "raw/" {
		t.Errorf("folder: %q, %v", key, ok)
	}
	if _, ok := EntryKey("0a1b.TAGS", false); ok {
		t.Error("tags are taken for an object")
	}
}

func TestTemporaryFilesOfTwoObjectsCannotBeTakenForEachOther(t *testing.T) {
	if TempPrefix("a") == TempPrefix("b") {
		t.Error("one prefix for two names")
	}
	if strings.Contains(TempPrefix("raw/abc"), "raw") {
		t.Error("the prefix shows the name")
	}
}
