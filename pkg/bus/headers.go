package bus

import (
	"context"
	"iter"
)

// HeadersConsumer names the consumer through which service reads the headers of a
// stream. It is created by Setup from the topology.
func HeadersConsumer(service string) string { return service + "-headers" }

func (c *Conn) scanHeaders(ctx context.Context, stream string, from uint64) iter.Seq2[*Message, error] {
	return nil
}
