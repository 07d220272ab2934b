package keyring

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

func acts(n int) []*auditv1.Act {
	out := make([]*auditv1.Act, n)
	for i := range out {
		out[i] = &auditv1.Act{Id: newActID(), Time: timestamppb.New(noon), Action: "open"}
	}
	return out
}

// written runs a scribe, has some callers append at the same time, and gives the sizes of
// the entries that were written.
func written(t *testing.T, callers ...int) []int {
	t.Helper()
	entries := new(memEntries)
	synctest.Test(t, func(t *testing.T) {
		s := newScribe(entries, 1500*time.Microsecond)
		ctx, cancel := context.WithCancel(t.Context())
		go s.run(ctx)
		var wg sync.WaitGroup
		for _, n := range callers {
			wg.Go(func() {
				if err := s.append(ctx, acts(n)...); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		cancel()
		synctest.Wait()
	})
	var sizes []int
	for _, e := range entries.entries {
		sizes = append(sizes, len(e.Acts))
	}
	return sizes
}

func TestActsThatComeTogetherAreOneEntry(t *testing.T) {
	if got := written(t, 1, 2, 3, 4); len(got) != 1 || got[0] != 10 {
		t.Errorf("entries of %v acts", got)
	}
}

func TestAnEntryHoldsSoManyActsAndNotOneMore(t *testing.T) {
	half := make([]int, maxActs/2)
	for i := range half {
		half[i] = 1
	}
	if got := written(t, append(half, maxActs/2)...); len(got) != 1 || got[0] != maxActs {
		t.Errorf("at the limit: entries of %v acts", got)
	}
	if got := written(t, append(half, maxActs/2, 1)...); len(got) != 2 || got[0]+got[1] != maxActs+1 {
		t.Errorf("one past the limit: entries of %v acts", got)
	}
}

func TestAnEntryThatIsNotWrittenIsToldToAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entries := &memEntries{refuse: true}
		s := newScribe(entries, time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		go s.run(ctx)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if err := s.append(ctx, acts(1)...); !errors.Is(err, errLost) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		entries.refuses(false)
		if err := s.append(ctx, acts(1)...); err != nil {
			t.Errorf("once it is well again: %v", err)
		}
		cancel()
		synctest.Wait()
		if err := s.append(t.Context(), acts(1)...); !errors.Is(err, errAuditClosed) {
			t.Errorf("after its end: %v", err)
		}
	})
}

func TestTheCacheKeepsToItsLimit(t *testing.T) {
	record := func(item string) Stored { return Stored{&itemv1.Record{Item: item, Details: make([]byte, 1000)}, 1} }
	c := newCache(3 * 1300)
	for _, item := range []string{"a", "b", "c"} {
		c.put(record(item))
	}
	if _, there := c.get("a"); !there {
		t.Error("three records do not fit")
	}
	c.put(record("d")) // b was not used for the longest time
	if _, there := c.get("b"); there {
		t.Error("four records are kept")
	}
	for _, item := range []string{"a", "c", "d"} {
		if _, there := c.get(item); !there {
			t.Errorf("%s is not kept", item)
		}
	}
	c.drop("a")
	if _, there := c.get("a"); there {
		t.Error("a dropped record is kept")
	}
	small := newCache(100)
	small.put(record("a"))
	if _, there := small.get("a"); there || small.size != 0 {
		t.Error("a record over the limit is kept")
	}
}
