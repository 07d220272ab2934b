package run

import (
	"fmt"
	"io"
	"log/slog"
)

// LogConfig says how the log is written.
type LogConfig struct {
	// Level is the least that is written: debug, info, warn, error.
	Level string `yaml:"level"`
	// Format is json or text.
	Format string `yaml:"format"`
}

// NewLogger writes structured lines. Callers log constant messages and put numbers, ids
// and codes into attributes. Under a key that is not known, or not in its key's form,
// nothing but numbers and times is written: no word of a mail can be logged by mistake.
func NewLogger(out io.Writer, config LogConfig) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(config.Level)); err != nil {
		return nil, fmt.Errorf("log level %q: use debug, info, warn or error", config.Level)
	}
	options := &slog.HandlerOptions{Level: level}
	switch config.Format {
	case "json":
		return slog.New(door{slog.NewJSONHandler(out, options)}), nil
	case "text":
		return slog.New(door{slog.NewTextHandler(out, options)}), nil
	}
	return nil, fmt.Errorf("log format %q: use json or text", config.Format)
}
