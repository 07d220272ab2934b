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

// NewLogger writes structured lines. Callers log constant messages and put ids
// and codes into attributes; what a customer wrote has types that do not print.
func NewLogger(out io.Writer, config LogConfig) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(config.Level)); err != nil {
		return nil, fmt.Errorf("log level %q: use debug, info, warn or error", config.Level)
	}
	options := &slog.HandlerOptions{Level: level}
	switch config.Format {
	case "json":
		return slog.New(slog.NewJSONHandler(out, options)), nil
	case "text":
		return slog.New(slog.NewTextHandler(out, options)), nil
	}
	return nil, fmt.Errorf("log format %q: use json or text", config.Format)
}
