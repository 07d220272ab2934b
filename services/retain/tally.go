package retain

import (
	"sync"

	"github.com/postern-mail/postern/pkg/vault/erase"
)

// A tally sums what the attempts at an object removed, until its certificate is issued: the
// last attempt of several finds nothing left. It does not outlive the process, and the
// certificate says so of what it does not know.
type tally struct {
	mu      sync.Mutex
	objects map[string]erase.Report // counts alone
}

// add gives the report of the latest attempt with the counts of all.
func (t *tally) add(object string, report erase.Report) erase.Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.objects[object]
	report.Versions += before.Versions
	report.Markers += before.Markers
	report.Uploads += before.Uploads
	if report.Versions+report.Markers+report.Uploads > 0 {
		if t.objects == nil {
			t.objects = map[string]erase.Report{}
		}
		t.objects[object] = erase.Report{Versions: report.Versions, Markers: report.Markers, Uploads: report.Uploads}
	}
	return report
}

// drop forgets the objects that are certified.
func (t *tally) drop(certified map[string]erase.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for object := range certified {
		delete(t.objects, object)
	}
}
