package doctor

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/clam"
	"github.com/postern-mail/postern/pkg/event"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// outdated counts the tickets whose files were judged with other signatures than clamd has.
func (x *examination) outdated(ctx context.Context) {
	if x.conn == nil || x.version == "" { // told by others
		return
	}
	c := census{version: x.version}
	for message, err := range x.conn.Scan(ctx, topology.Items, 1, bus.Matching(event.MailsSubject)) {
		if ctx.Err() != nil {
			c.cut = true
			break
		}
		if err != nil {
			x.ill("signatures", "item records: "+err.Error(), "run postern setup, and look at the bus's log")
			return
		}
		record := new(itemv1.Record)
		if proto.Unmarshal(message.Data, record) == nil { // who cannot be read is others' to tell
			c.add(record)
		}
	}
	x.tell(c.finding(x.process.Clock.Now()))
}

// A census counts tickets with files by the signatures that these were judged with.
type census struct {
	version  string // that clamd has
	files    int
	outdated int
	ahead    int       // judged with newer ones
	since    time.Time // the first time that any was judged with clamd's; zero: none was
	last     time.Time // when the outdated one was judged that waits longest; zero: not known
	cut      bool      // not all were counted
}

func (c *census) add(record *itemv1.Record) {
	version, files := event.JudgedWith(record)
	if !files {
		return
	}
	c.files++
	judged := record.GetFindings().GetJudged()
	first := func(of *time.Time) {
		if at := judged.AsTime(); judged.IsValid() && (of.IsZero() || at.Before(*of)) {
			*of = at
		}
	}
	switch {
	case version == c.version:
		first(&c.since)
	case clam.Newer(version, c.version):
		c.ahead++
	default:
		c.outdated++
		first(&c.last)
	}
}

// outdatedLong is how long after new signatures a ticket should have been scanned anew. They are published daily.
const outdatedLong = 24 * time.Hour

func (c *census) finding(now time.Time) Finding {
	const minute = "2006-01-02 15:04 MST"
	of := fmt.Sprintf("%d tickets with files", c.files)
	if c.cut {
		of = "the " + of + " that there was time to read"
	}
	switch {
	case c.outdated > 0:
		what := fmt.Sprintf("%d of %s are outdated: judged with other signatures than clamd has", c.outdated, of)
		if c.since.IsZero() {
			what += ", with which none was judged yet"
		} else {
			what += ", which are in force since " + c.since.UTC().Format(minute) + " at the latest"
		}
		if !c.last.IsZero() {
			what += "; who waits longest was judged last at " + c.last.UTC().Format(minute)
		}
		if !c.since.IsZero() && now.Sub(c.since) < outdatedLong {
			return Finding{"signatures", Well, what, ""}
		}
		return Finding{"signatures", Doubtful, what, "scan takes scan.pace of them a second: where they do not grow less, its log says why; clamd must be the one that scan has"}
	case c.ahead > 0:
		return Finding{
			"signatures", Doubtful, fmt.Sprintf("%d of %s were judged with newer signatures than clamd has here", c.ahead, of),
			"run freshclam beside this clamd: scans with older signatures leave what is scanned anew to others",
		}
	case c.files == 0:
		return Finding{"signatures", Well, "no ticket has files that agents can open", ""}
	}
	return Finding{"signatures", Well, "no ticket is outdated: " + of + " were judged with what clamd has", ""}
}
