package keyring

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// renumbered is the registration of a mail in a folder that has new numbers.
func (w *world) renumbered(folder string, validity, uid uint32, text string) *keyringv1.Register {
	w.t.Helper()
	r := w.registration(uid, text)
	r.Folder, r.UidValidity, r.Renumbered = folder, validity, true
	item := event.Item(r.Mailbox, folder, validity, uid, 0)
	at := w.clock.Now()
	r.Raw.Object = fmt.Sprintf("raw/%s/%s.%s", at.Format("2006/01/02"), item, ulid.MustNewDefault(at))
	return r
}

// becomes registers a mail and gives the item that it is, and whether that is a new one.
func (w *world) becomes(r *keyringv1.Register) (item string, fresh bool) {
	w.t.Helper()
	got, err := w.client("ingest").Register(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return got.Record.Item, got.Record.UidValidity == r.UidValidity
}

func TestMailsOfAFolderWithNewNumbersAreTheItemsThatTheyWere(t *testing.T) {
	w := newWorld(t)
	_, stop := w.start()
	one, twinA, twinB, gone := w.mail("one"), w.mail("twin"), w.mail("twin"), w.mail("gone")
	w.render(w.file(one, 30), "a view")
	if _, err := w.client("retain").Erase(t.Context(), &keyringv1.Erase{Request: "r", Items: []string{gone}, Actor: "paula", Reason: []byte("x")}); err != nil {
		t.Fatal(err)
	}

	got := map[uint32]string{}
	for uid, text := range map[uint32]string{11: "one", 12: "twin", 13: "twin", 15: "gone"} {
		item, fresh := w.becomes(w.renumbered("INBOX", 8, uid, text))
		if fresh {
			t.Errorf("UID %d is a new item", uid)
		}
		got[uid] = item
	}
	if got[11] != one || got[15] != gone || got[12] == got[13] || (got[12] != twinA && got[12] != twinB) || (got[13] != twinA && got[13] != twinB) {
		t.Errorf("items %v", got)
	}
	for name, r := range map[string]*keyringv1.Register{
		"a third twin":   w.renumbered("INBOX", 8, 14, "twin"),
		"what is new":    w.renumbered("INBOX", 8, 16, "new"),
		"another folder": w.renumbered("Sent", 8, 11, "one"),
	} {
		if _, fresh := w.becomes(r); !fresh {
			t.Errorf("%s is taken for an old item", name)
		}
	}
	if place := w.record(one).Place; place.GetUidValidity() != 8 || place.GetUid() != 11 {
		t.Errorf("it is at %v", place)
	}

	// The same again, by this keyring and by one that starts.
	check := func(when string) {
		t.Helper()
		for uid, text := range map[uint32]string{11: "one", 12: "twin", 13: "twin", 15: "gone"} {
			if item, _ := w.becomes(w.renumbered("INBOX", 8, uid, text)); item != got[uid] {
				t.Errorf("%s, UID %d is another item", when, uid)
			}
		}
		if item, _ := w.becomes(w.renumbered("INBOX", 8, 14, "twin")); item != event.Item("support", "INBOX", 8, 14, 0) {
			t.Errorf("%s, the third twin is another item", when)
		}
	}
	check("again")
	stop()
	w.start()
	check("after a restart")

	// And numbered anew once more, back to the first numbers: every item is taken once.
	seen := map[string]bool{}
	for uid, text := range map[uint32]string{1: "twin", 2: "twin", 3: "twin", 4: "one", 5: "gone", 6: "new"} {
		item, _ := w.becomes(w.renumbered("INBOX", 9, uid, text))
		if seen[item] || w.record(item).UidValidity == 9 {
			t.Errorf("%s is item %s, which is new or was taken", text, item)
		}
		seen[item] = true
	}
	if acts := w.entries.acts("place"); len(acts) != 4+6 {
		t.Errorf("%d places were told, want 10", len(acts))
	}
}

// Of mails over the size there are the headers, which say little: mails that differ have the same, and a short mail
// may be no more than they are.
func TestHeadersAreTakenForTheSameMailOnlyWhereItsSizeIsTheSame(t *testing.T) {
	w := newWorld(t)
	w.start()
	const text = "Subject: large\r\n\r\n" // of w.headers
	sent := func(r *keyringv1.Register, day int) *keyringv1.Register {
		r.InternalDate = timestamppb.New(noon.AddDate(0, 0, day))
		return r
	}
	first := map[string]string{}
	for i, each := range []struct {
		name string
		r    *keyringv1.Register
	}{
		{"large", sent(w.headers(1, 9000), 0)}, {"larger", sent(w.headers(2, 9500), 0)},
		{"large, later", sent(w.headers(3, 9000), 1)}, {"no more than headers", sent(w.registration(4, text), 0)},
	} {
		item, fresh := w.becomes(each.r)
		if !fresh {
			t.Fatalf("mail %d is no item of its own", i+1)
		}
		first[each.name] = item
	}
	anew := func(uid uint32, size int64, day int) *keyringv1.Register {
		r := w.renumbered("INBOX", 8, uid, text)
		if size > 0 {
			r.Size, r.HeadersOnly = size, true
		}
		return sent(r, day)
	}
	for _, each := range []struct {
		r    *keyringv1.Register
		want string // empty: a new item
	}{
		{anew(11, 9500, 0), "larger"}, {anew(12, 9000, 1), "large, later"}, {anew(13, 9500, 0), ""}, {anew(14, 9001, 0), ""},
		{anew(15, 9000, 7), "large"}, {anew(16, 9000, 0), ""}, {anew(17, 0, 0), "no more than headers"}, {anew(18, 0, 0), ""},
		{anew(12, 9000, 1), "large, later"}, // once more
	} {
		item, fresh := w.becomes(each.r)
		if fresh != (each.want == "") || !fresh && item != first[each.want] {
			t.Errorf("UID %d of %d bytes is item %s, new %v, want %q", each.r.Uid, each.r.Size, item, fresh, each.want)
		}
	}
	if place := w.record(first["large"]).Place; place.GetUid() != 15 || !place.GetInternalDate().AsTime().Equal(noon.AddDate(0, 0, 7)) {
		t.Errorf("it is at %v", place)
	}
}

// It was set aside by its headers, taken up again, and is a whole mail since; over the size it still is.
func TestAMailThatWasCompletedIsKnownByItsHeadersAndByItself(t *testing.T) {
	for _, by := range []string{"headers", "itself"} {
		t.Run(by, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			text := strings.Repeat("a large mail\r\n", 1000)
			item, _ := w.becomes(w.headers(1, int64(len(text))))
			w.aside(item, "oversize")
			w.retry(item)
			if got, fresh := w.becomes(w.registration(1, text)); got != item || !fresh || w.record(item).HeadersOnly {
				t.Fatal("it was not completed")
			}
			whole, headers := w.renumbered("INBOX", 8, 11, text), w.renumbered("INBOX", 8, 12, "Subject: large\r\n\r\n")
			headers.Size, headers.HeadersOnly = int64(len(text)), true
			asked := []*keyringv1.Register{headers, whole}
			if by == "itself" {
				asked = []*keyringv1.Register{whole, headers}
			}
			if got, fresh := w.becomes(asked[0]); got != item || fresh {
				t.Errorf("it is item %s, new %v", got, fresh)
			}
			if got, fresh := w.becomes(asked[1]); got == item || !fresh {
				t.Error("one item was taken for two mails")
			}
		})
	}
}

func TestAPlaceWhoseAnswerWasLostIsFoundAgain(t *testing.T) {
	for _, after := range []bool{false, true} {
		w := newWorld(t)
		w.start()
		item := w.mail("hello")
		r := w.renumbered("INBOX", 8, 1, "hello")
		w.records.mu.Lock()
		w.records.failAt, w.records.after = w.records.puts+1, after
		w.records.mu.Unlock()
		if _, err := w.client("ingest").Register(t.Context(), r); err == nil {
			t.Fatal("a lost write was answered")
		}
		if got, fresh := w.becomes(w.renumbered("INBOX", 8, 1, "hello")); got != item || fresh {
			t.Errorf("took effect %v: it is item %s, new %v", after, got, fresh)
		}
		if _, fresh := w.becomes(w.renumbered("INBOX", 8, 2, "hello")); !fresh {
			t.Errorf("took effect %v: one item was taken for two mails", after)
		}
	}
}

func TestMailsThatComeTogetherTakeEachItemOnce(t *testing.T) {
	w := newWorld(t)
	w.start()
	const n = 12
	old := map[string]bool{}
	for range n {
		old[w.mail("the same")] = true
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	taken, fresh := map[string]bool{}, 0
	for i := range n + 3 {
		r := w.renumbered("INBOX", 8, uint32(i+1), "the same")
		wg.Go(func() {
			got, err := w.client("ingest").Register(t.Context(), r)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if old[got.Record.Item] {
				taken[got.Record.Item] = true
			} else {
				fresh++
			}
		})
	}
	wg.Wait()
	if len(taken) != n || fresh != 3 {
		t.Errorf("%d of %d items were taken, %d are new, want 3", len(taken), n, fresh)
	}
}

func TestAFolderThatCannotBeReadIsReadAgain(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.mail("hello")
	w.records.mu.Lock()
	w.records.away = 1
	w.records.mu.Unlock()
	if _, err := w.client("ingest").Register(t.Context(), w.renumbered("INBOX", 8, 1, "hello")); err == nil {
		t.Fatal("what was not read was answered")
	}
	if got, _ := w.becomes(w.renumbered("INBOX", 8, 1, "hello")); got != item {
		t.Errorf("it is item %s", got)
	}
}

func TestWhatIsKnownOfAFolderIsForgottenWhenNobodyAsks(t *testing.T) {
	w := newWorld(t)
	s, _ := w.start()
	w.mail("hello")
	w.becomes(w.renumbered("INBOX", 8, 1, "hello"))
	known := func() int {
		s.renumbered.mu.Lock()
		defer s.renumbered.mu.Unlock()
		return len(s.renumbered.known)
	}
	s.renumbered.drop(w.clock.Now().Add(renumberedIdle))
	if known() != 1 {
		t.Error("it is forgotten too early")
	}
	s.renumbered.drop(w.clock.Now().Add(renumberedIdle + 1))
	if known() != 0 {
		t.Error("it is never forgotten")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.folderOf(ended, numbering{"support", "INBOX", 8, 0}); err == nil && known() != 1 {
		t.Error("who gave up was answered")
	}
}

func TestARenumberedMailKeepsTheRulesOfRegistration(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.mail("hello")
	r := w.renumbered("INBOX", 8, 1, "hello")
	r.Raw.Bucket = "intake.raw.20990101.x"
	if _, err := w.client("ingest").Register(t.Context(), r); err == nil {
		t.Error("a wrong bucket was taken")
	}
	r = w.renumbered("INBOX", 8, 1, "hello")
	r.RawDigest = []byte("x")
	_, err := w.client("ingest").Register(t.Context(), r)
	w.mustRefuse(err, keys.Malformed)
	if got := w.record(event.Item("support", "INBOX", 7, 1, 0)); got.Place != nil || got.State != itemv1.State_STATE_REGISTERED {
		t.Errorf("record %v", got)
	}
}
