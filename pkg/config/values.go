package config

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/postern-mail/postern/pkg/redact"
)

// A Duration is a length of time as people write it: 250ms, 30s, 72h, 30d.
type Duration time.Duration

// ParseDuration reads what time.ParseDuration does, and whole days as 30d.
func ParseDuration(text string) (Duration, error) {
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		count, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("duration %q: write whole days like 30d", text)
		}
		return Duration(time.Duration(count) * 24 * time.Hour), nil
	}
	length, err := time.ParseDuration(text)
	if err != nil || length < 0 {
		return 0, fmt.Errorf("duration %q: write it like 250ms, 30s, 72h or 30d", text)
	}
	return Duration(length), nil
}

// Std gives the standard library's form.
func (d Duration) Std() time.Duration { return time.Duration(d) }

func (d Duration) String() string {
	const day = 24 * time.Hour
	length := time.Duration(d)
	if length >= day && length%day == 0 {
		return strconv.Itoa(int(length/day)) + "d"
	}
	text := length.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// UnmarshalYAML reads a duration and names the line of a bad one.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := ParseDuration(node.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	*d = parsed
	return nil
}

// MarshalYAML writes it as people do.
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

// A Size is a number of bytes as people write it: 512, 64KiB, 25MiB, 2GiB.
type Size int64

var units = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

// ParseSize reads a number of bytes.
func ParseSize(text string) (Size, error) {
	for _, unit := range units {
		number, found := strings.CutSuffix(text, unit.suffix)
		if !found {
			continue
		}
		count, err := strconv.ParseUint(number, 10, 62)
		if err != nil || count > uint64(1<<62)/uint64(unit.bytes) {
			break
		}
		return Size(int64(count) * unit.bytes), nil
	}
	return 0, fmt.Errorf("size %q: write it like 512, 64KiB, 25MiB or 2GiB", text)
}

// Bytes gives the plain number.
func (s Size) Bytes() int64 { return int64(s) }

func (s Size) String() string {
	for _, unit := range units {
		if int64(s) >= unit.bytes && int64(s)%unit.bytes == 0 {
			return strconv.FormatInt(int64(s)/unit.bytes, 10) + unit.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// UnmarshalYAML reads a size and names the line of a bad one.
func (s *Size) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := ParseSize(node.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	*s = parsed
	return nil
}

// MarshalYAML writes it as people do.
func (s Size) MarshalYAML() (any, error) { return s.String(), nil }

// A Secret is the path of a file that holds a secret. The secret itself never
// stands in the configuration, and is read at the moment of use so that it can
// be changed under a running service.
type Secret string

// Read gives the file's content without a trailing line end. A file that others
// may read is refused.
func (s Secret) Read() (Revealed, error) {
	if s == "" {
		return Revealed{}, fmt.Errorf("secret: no file is named")
	}
	info, err := os.Stat(string(s))
	if err != nil {
		return Revealed{}, fmt.Errorf("secret: %w", err)
	}
	if info.Mode().Perm()&0o027 != 0 { // a group may read, as mounted secrets need it
		return Revealed{}, fmt.Errorf("secret %s: others may read or change it: chmod 600 it", string(s))
	}
	content, err := os.ReadFile(string(s))
	if err != nil {
		return Revealed{}, fmt.Errorf("secret: %w", err)
	}
	text := strings.TrimRight(string(content), "\r\n")
	if text == "" {
		return Revealed{}, fmt.Errorf("secret %s: the file is empty", string(s))
	}
	return Revealed{redact.NewSecret(text)}, nil
}

// Set says whether a file is named.
func (s Secret) Set() bool { return s != "" }

// Revealed is a secret in memory; it prints as ‹secret›.
type Revealed struct{ redact.Secret }

// Value gives the secret itself.
func (r Revealed) Value() string { return r.Reveal() }
