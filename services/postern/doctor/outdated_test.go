package doctor

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

func TestOutdatedTicketsAreCountedAndTheDoctorSaysSinceWhen(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	const before, current, after = "clamav-1.4.3.daily-99", "clamav-1.4.3.daily-100", "clamav-1.4.3.daily-101"
	ticket := func(version string, ago time.Duration) *itemv1.Record {
		r := &itemv1.Record{
			State: itemv1.State_STATE_TICKETED, Findings: &itemv1.Findings{Signatures: version},
			Layers: []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_VIEW, State: itemv1.LayerState_LAYER_STATE_PRESENT, PacketEnds: []int64{1, 2, 3}}},
		}
		if ago > 0 {
			r.Findings.Judged = timestamppb.New(now.Add(-ago))
		}
		return r
	}
	without := ticket(before, time.Hour)
	without.Layers[0].PacketEnds = without.Layers[0].PacketEnds[:2]
	for name, c := range map[string]struct {
		records []*itemv1.Record
		cut     bool
		state   State
		says    []string
	}{
		"none":          {nil, false, Well, []string{"no ticket has files"}},
		"without files": {[]*itemv1.Record{without}, false, Well, []string{"no ticket has files"}},
		"all are well":  {[]*itemv1.Record{ticket(current, time.Hour), ticket(current, time.Minute)}, false, Well, []string{"no ticket is outdated: 2 tickets with files"}},
		"some, since a while": {
			[]*itemv1.Record{ticket(before, 3*time.Hour), ticket(before, 30*time.Hour), ticket(current, time.Minute), ticket(current, time.Hour), without},
			false, Well, []string{"2 of 4 tickets", "in force since 2026-03-02 11:00 UTC", "judged last at 2026-03-01 06:00 UTC"},
		},
		"some, just below a day": {[]*itemv1.Record{ticket(before, 0), ticket(current, 24*time.Hour-time.Second)}, false, Well, []string{"1 of 2 tickets"}},
		"some, for a day":        {[]*itemv1.Record{ticket(before, 0), ticket(current, 24*time.Hour)}, false, Doubtful, []string{"1 of 2 tickets", "in force since 2026-03-01 12:00 UTC"}},
		"all":                    {[]*itemv1.Record{ticket(before, 30*time.Hour), ticket("", 0)}, false, Doubtful, []string{"2 of 2 tickets", "none was judged yet", "judged last at 2026-03-01 06:00 UTC"}},
		"newer ones":             {[]*itemv1.Record{ticket(after, time.Hour), ticket(current, time.Hour)}, false, Doubtful, []string{"1 of 2 tickets", "newer signatures"}},
		"not all were read":      {[]*itemv1.Record{ticket(before, 0), ticket(current, time.Hour)}, true, Well, []string{"1 of the 2 tickets with files that there was time to read"}},
	} {
		counted := census{version: current, cut: c.cut}
		for _, record := range c.records {
			counted.add(record)
		}
		got := counted.finding(now)
		if got.Subject != "signatures" || got.State != c.state || (got.Advice == "") != (c.state == Well) {
			t.Errorf("%s: %+v", name, got)
		}
		for _, says := range c.says {
			if !strings.Contains(got.What, says) {
				t.Errorf("%s: %q lacks %q", name, got.What, says)
			}
		}
	}
}
