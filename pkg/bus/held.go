package bus

import (
	"context"
	"errors"

	"github.com/postern-mail/postern/pkg/bus/topology"
)

// Held tells whether somebody holds the lease of that name of a service. It may be a moment old.
func (c *Conn) Held(ctx context.Context, service, name string) (bool, error) {
	last, err := c.Peek(ctx, topology.Leases, "leases."+service+"."+name)
	if errors.Is(err, ErrNoMessage) {
		return false, nil
	}
	return err == nil && string(last.Data) != freed, err
}
