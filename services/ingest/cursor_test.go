package ingest

import (
	"testing"

	"google.golang.org/protobuf/proto"
)

// A bus's message is at most a MiB, and a cursor that cannot be saved would have its mailbox stand still.
func TestACursorIsOneMessageHoweverManyGapsThereAre(t *testing.T) {
	for _, folders := range []int{1, 3} {
		c := &cursor{mailbox: "support", folders: map[string]*mark{}}
		for _, name := range []string{"INBOX", "Sales", "Returns"}[:folders] {
			m := c.mark(name)
			m.validity, m.highest = 1<<32-1, 1<<32-1
			for uid := uint32(1 << 31); uid < 1<<31+2*100_000; uid += 2 {
				m.done.Add(uid)
			}
			for uid := range uint32(2 * maxKept) {
				m.keep(uid+1, kept{tries: maxTries, code: CodeWithheld})
			}
		}
		saved := c.proto()
		if n := proto.Size(saved); n > 900<<10 {
			t.Errorf("%d folders: %d bytes", folders, n)
		}
		for _, folder := range saved.Folders {
			if n := len(folder.Done); n != maxRanges/folders || folder.Done[0].First != 1<<31 || folder.Done[n-1].Last != 1<<31+2*uint32(n-1) {
				t.Errorf("%d folders: %d ranges are kept, from %d", folders, n, folder.Done[0].First)
			}
		}
		if n := len(c.folders["INBOX"].done.Ranges()); n != 100_000 {
			t.Errorf("%d ranges are known after saving", n)
		}
	}
}
