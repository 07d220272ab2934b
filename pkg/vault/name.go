package vault

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Limits of names and tags. Those of names fit every file system and S3; those
// of tags are S3's.
const (
	MaxName       = 512 // bytes of a name
	MaxSegment    = 200 // bytes between two slashes
	MaxTags       = 10
	MaxTagKey     = 128 // bytes
	MaxTagContent = 256 // bytes
)

// CheckName accepts paths of [a-z0-9._-] segments joined by single slashes.
// A segment does not begin with a dot, so no name climbs out of its folder or
// hides in it.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("%w: length %d", ErrName, len(name))
	}
	for segment := range strings.SplitSeq(name, "/") {
		switch {
		case segment == "":
			return fmt.Errorf("%w: empty segment", ErrName)
		case len(segment) > MaxSegment:
			return fmt.Errorf("%w: segment of length %d", ErrName, len(segment))
		case segment[0] == '.':
			return fmt.Errorf("%w: segment begins with a dot", ErrName)
		}
		if !plain(segment) {
			return fmt.Errorf("%w: character outside a-z 0-9 . _ -", ErrName)
		}
	}
	return nil
}

// CheckPrefix accepts what an acceptable name may begin with, and the empty
// string.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return CheckName(strings.TrimSuffix(prefix, "/"))
}

// CheckTags accepts what every store can keep: at most MaxTags labels whose keys
// are not empty, of letters, digits, spaces and + - = . _ : / @.
func CheckTags(tags map[string]string) error {
	if len(tags) > MaxTags {
		return fmt.Errorf("vault: %d tags, at most %d", len(tags), MaxTags)
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		value := tags[key]
		if key == "" || len(key) > MaxTagKey || len(value) > MaxTagContent {
			return fmt.Errorf("vault: tag key of length %d with a value of length %d", len(key), len(value))
		}
		if !label(key) || !label(value) {
			return fmt.Errorf("vault: tag character outside letters, digits, space and + - = . _ : / @")
		}
	}
	return nil
}

func plain(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func label(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune(" +-=._:/@", rune(c)) {
			return false
		}
	}
	return true
}
