package doctor

import (
	"testing"

	"github.com/postern-mail/postern/services/postern/wiring"
)

func TestADiskIsJudgedByWhatIsFree(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	for name, c := range map[string]struct {
		free, whole uint64
		want        State
	}{
		"half of it":                      {50 * gib, 100 * gib, Well},
		"a tenth":                         {10 * gib, 100 * gib, Well},
		"just below a tenth":              {10*gib - 1, 100 * gib, Doubtful},
		"a hundredth":                     {gib, 100 * gib, Doubtful},
		"just below a hundredth":          {gib - 1, 100 * gib, Ill},
		"100 MiB, half of it":             {100 * mib, 200 * mib, Well},
		"just below 100 MiB, half of it":  {100*mib - 1, 200 * mib, Ill},
		"nothing":                         {0, 100 * gib, Ill},
		"a file system that has no sizes": {0, 0, Well},
	} {
		var found []Finding
		x := &examination{config: wiring.Default(), yield: func(f Finding) bool { found = append(found, f); return true }}
		x.space(c.free, c.whole)
		if len(found) != 1 || found[0].State != c.want || found[0].Subject != "disk" || (found[0].Advice == "") != (c.want == Well) {
			t.Errorf("%s: %+v", name, found)
		}
	}
}
