package inspect

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/confine"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

type panicking struct{}

func (panicking) Scan(context.Context, io.Reader) (attachment.Opinion, error) { panic("of no use") }

func TestAFaultOfOursStillGivesADocumentThatIsNotClean(t *testing.T) {
	raw := []byte("From: a@example.com\nContent-Type: application/pdf; name=a.pdf\n\nhi\n")
	o := options{sender: mailauth.Options{Resolver: dns.None{}}, scanner: panicking{}, unconfined: true}
	done, err := o.confine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	d, err := o.inspect(t.Context(), "x", raw, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if d.Scan.Verdict != attachment.Error {
		t.Errorf("scan %+v", d.Scan)
	}
	if d.Sender.Address != "a@example.com" || d.Attachments == nil || d.View.Masked == nil {
		t.Errorf("%+v", d)
	}
}

func TestWhereNoProcessIsConfinedNothingIsLookedIntoUnasked(t *testing.T) {
	o := options{room: confine.Room{Memory: 1}} // no process starts in so little
	if _, err := o.confine(t.Context()); err == nil || !strings.Contains(err.Error(), "--unconfined") || o.judge != nil {
		t.Errorf("%v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := o.confine(stopped); err == nil || o.judge != nil {
		t.Errorf("%v", err)
	}
}

func TestADocumentThatWasNotBegunIsCompletedWithoutTrust(t *testing.T) {
	var d Document
	d.fault()
	line, err := json.Marshal(d)
	if err != nil || strings.Contains(string(line), "null") {
		t.Errorf("%s %v", line, err)
	}
	if d.Scan.Verdict != attachment.Error || d.Sender.Verdict == mailauth.Authenticated || d.Sender.Verdict == mailauth.Verified {
		t.Errorf("%+v", d)
	}
}

func TestTimesAreReadAsPeopleWriteThem(t *testing.T) {
	want := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, text := range []string{"2026-11-21T12:00:00Z", "2026-11-21T13:00:00+01:00", "2026-11-21T12:00:00", "1795262400", "Sat, 21 Nov 2026 12:00:00 +0000"} {
		if got, err := readTime(text); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
}

func TestInOrderKeepsOrderAndStopsWhenAsked(t *testing.T) {
	inputs := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	var got []string
	for o := range inOrder(context.Background(), inputs, func(s string) outcome { return outcome{line: []byte(s)} }) {
		got = append(got, string(o.line))
		if len(got) == 7 {
			break
		}
	}
	if !reflect.DeepEqual(got, slices.Clone(inputs[:7])) {
		t.Errorf("%q", got)
	}
}

func TestAllCoresAreUsed(t *testing.T) {
	cores := runtime.GOMAXPROCS(0)
	var together sync.WaitGroup
	together.Add(cores)
	var started atomic.Int32
	done := 0
	for range inOrder(context.Background(), make([]string, 3*cores), func(string) outcome {
		if n := started.Add(1); n <= int32(cores) {
			together.Done()
			together.Wait() // ends only when as many are in hand as there are cores
		}
		return outcome{}
	}) {
		done++
	}
	if done != 3*cores {
		t.Errorf("%d of %d", done, 3*cores)
	}
}

func TestAnInputIsReadUpToItsLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.eml")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, "-"} {
		if raw, err := readInput(name, strings.NewReader("12345"), 5); err != nil || string(raw) != "12345" {
			t.Errorf("%s at the limit: %q %v", name, raw, err)
		}
		if _, err := readInput(name, strings.NewReader("12345"), 4); err == nil {
			t.Errorf("%s one past it was read", name)
		}
	}
	if _, err := readInput("/dev/zero", nil, 1<<20); err == nil {
		t.Error("an input without an end was read")
	}
	if _, err := readInput(t.TempDir(), nil, 1<<20); err == nil {
		t.Error("a folder was read")
	}
}
