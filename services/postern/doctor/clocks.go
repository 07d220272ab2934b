package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/vault/s3"
)

// clocks compares ours with those of the servers, as retention does before it destroys anything.
// The bus tells its own with what it says of a stream, the object store with every answer.
func (x *examination) clocks(ctx context.Context) {
	if offset := x.config.Clock.Offset.Std(); offset != 0 {
		x.note("clock", fmt.Sprintf("it runs %v ahead", offset), "clock.offset is for demonstrations")
	}
	well := x.conn != nil
	if x.conn != nil {
		well = x.clockOf("bus", func() (time.Time, error) {
			kept, err := x.conn.Kept(ctx, topology.Keys)
			return kept.Now, err
		})
	}
	if store, ok := x.process.Vault.(*s3.Store); ok { // one that refuses because of its clock tells it, too
		well = x.clockOf("vault", func() (time.Time, error) { return store.Time(ctx) }) && well
	}
	if well {
		x.well("clock", "no server's clock is seen to differ")
	}
}

// clockOf asks a server for its time and says whether it is near ours.
func (x *examination) clockOf(server string, ask func() (time.Time, error)) bool {
	asked := time.Now()
	there, err := ask()
	if err != nil && server == "vault" && !x.listed { // told by its own check
		return false
	}
	if err != nil || there.IsZero() {
		x.note("clock", "the "+server+" does not tell its clock", "compare the machines' clocks by hand: nothing is destroyed while they disagree")
		return false
	}
	// Its answer was written between our question and now.
	const advice = "set the clocks by NTP: nothing is destroyed while they disagree"
	switch ahead, behind := time.Until(there), asked.Sub(there); {
	case ahead > maxSkew:
		x.ill("clock", fmt.Sprintf("the %s's clock is %v ahead of ours", server, ahead.Round(time.Second)), advice)
	case behind > maxSkew:
		x.ill("clock", fmt.Sprintf("the %s's clock is %v behind ours", server, behind.Round(time.Second)), advice)
	default:
		return true
	}
	return false
}
