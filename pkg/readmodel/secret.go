package readmodel

import "fmt"

// Format prints where Redis is and never the password, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "redis %s", c.Address) }

// MarshalText is Format for JSON and structured logs.
func (c Config) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }
