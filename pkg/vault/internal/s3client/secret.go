package s3client

import "fmt"

// Format prints where the bucket is and never the keys, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "s3 %s/%s", c.Endpoint, c.Bucket) }

// MarshalText is Format for JSON and structured logs.
func (c Config) MarshalText() ([]byte, error) { return fmt.Append(nil, c), nil }
