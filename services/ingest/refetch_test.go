package ingest_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// standings are the world's records as a sweep finds them: nothing has changed for long.
type standings struct{ *world }

func (s standings) Heads(context.Context, uint64) iter.Seq2[ingest.Head, error] {
	s.mu.Lock()
	defer s.mu.Unlock()
	var heads []ingest.Head
	for item, record := range s.records {
		heads = append(heads, ingest.Head{Subject: item, Sequence: uint64(len(heads) + 1), State: event.StateWord(record.State), Retried: event.Retried(record)})
	}
	return func(yield func(ingest.Head, error) bool) {
		for _, head := range heads {
			if !yield(head, nil) {
				return
			}
		}
	}
}

func (s standings) Record(_ context.Context, head ingest.Head) (*itemv1.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return proto.CloneOf(s.records[head.Subject]), nil
}

// retry takes an item up again, as the keyring does.
func (w *world) retry(item string, limit int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	record := w.records[item]
	aside := record.SetAside
	aside.Retried = timestamppb.Now()
	record.PastAsides = append(record.PastAsides, aside)
	record.State, record.SetAside, record.FetchLimit = itemv1.State_STATE_REGISTERED, nil, limit
}

// sweeper is a service that only sweeps.
func (w *world) sweeper(c ingest.Config, deps ingest.Deps) *ingest.Service {
	w.t.Helper()
	deps.Standing = standings{w}
	service, err := ingest.New(c, deps)
	if err != nil {
		w.t.Fatal(err)
	}
	service.Hurry()
	return service
}

// sweep looks once, and returns when all that it found is fetched or set aside.
func (w *world) sweep(ctx context.Context, service *ingest.Service) {
	w.t.Helper()
	if _, err := service.SweepFrom(ctx, 1); err != nil {
		w.t.Fatal(err)
	}
	ingest.Ended(service)
}

// kinds counts what was said, each event id once. The world's lock is held, or nothing runs.
func (w *world) kinds() map[string]int {
	seen, kinds := map[string]bool{}, map[string]int{}
	for _, envelope := range w.said {
		if !seen[envelope.Id] {
			seen[envelope.Id] = true
			kinds[envelope.Type]++
		}
	}
	return kinds
}

const smallest = 64 << 10

// scriptDate is the INTERNALDATE of a script's mails.
var scriptDate = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func lengthy(size int) []byte {
	return append([]byte("Subject: over\r\n\r\n"), bytes.Repeat([]byte("x\r\n"), size/3)...)
}

// over gives a world in which a mail of a Dovecot was set aside as oversize, and what reads it.
func over(t *testing.T, size int) (*world, *dovecot.Server, ingest.Config, *itemv1.Record) {
	t.Helper()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", lengthy(size))
	c := configFor(t, server)
	c.MaxSize = smallest
	w := newWorld(t)
	_, stop := w.run(c, w.deps())
	w.until("it is set aside", func() bool { return w.dealt(1) && w.kinds()["mail.v1.SetAside"] == 1 })
	stop()
	record := w.record(1)
	if record.GetSetAside().GetCode() != ingest.CodeOversize {
		t.Fatalf("code %q", record.GetSetAside().GetCode())
	}
	return w, server, c, record
}

func TestAnOversizeMailThatIsTakenUpAgainIsFetchedWhole(t *testing.T) {
	t.Parallel()
	const size = 600_000
	w, _, c, record := over(t, size)
	w.retry(record.Item, size+100)
	w.sweep(t.Context(), w.sweeper(c, w.deps()))
	if kinds := w.kinds(); kinds["mail.v1.Received"] != 1 || kinds["mail.v1.SetAside"] != 1 {
		t.Errorf("said %v", kinds)
	}
	if got := w.record(1); !bytes.Equal(w.raw(got), lengthy(size)) || got.State != itemv1.State_STATE_REGISTERED || got.FetchLimit != 0 {
		t.Errorf("%d bytes in state %v, limit %d", len(w.raw(got)), got.State, got.FetchLimit)
	}
	// The folder read from its start makes no second item of it.
	clear(w.cursors)
	clear(w.revision)
	_, stop := w.run(c, w.deps())
	w.until("it is in the cursor again", func() bool { return w.dealt(1) })
	stop()
	if got := w.record(1); len(w.records) != 1 || got.State != itemv1.State_STATE_REGISTERED || w.kinds()["mail.v1.Received"] != 1 {
		t.Errorf("%d items, state %v, said %v", len(w.records), got.State, w.kinds())
	}
}

func TestAMailThatIsTakenUpAgainIsFetchedUpToItsLimitAndNoFurther(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit   func(size int64) int64
		maximum config.Size // of the configuration
		taken   bool
	}{
		"at the limit":            {func(size int64) int64 { return size }, smallest, true},
		"one past it":             {func(size int64) int64 { return size - 1 }, smallest, false},
		"as configured":           {func(int64) int64 { return 0 }, smallest, false},
		"as configured meanwhile": {func(int64) int64 { return 0 }, 1 << 20, true},
		"limit above configured":  {func(int64) int64 { return 1 << 60 }, smallest, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _, conf, record := over(t, 100_000)
			conf.MaxSize = c.maximum
			w.retry(record.Item, c.limit(record.Size))
			w.sweep(t.Context(), w.sweeper(conf, w.deps()))
			if c.taken {
				if kinds := w.kinds(); kinds["mail.v1.Received"] != 1 {
					t.Errorf("said %v", kinds)
				}
				return
			}
			if got := w.record(1); w.kinds()["mail.v1.SetAside"] != 2 || got.GetSetAside().GetCode() != ingest.CodeOversize || w.stored() != 1 {
				t.Errorf("code %q, %d objects", got.GetSetAside().GetCode(), w.stored())
			}
		})
	}
}

func TestAMailThatComesLongerThanItIsToldIsFetchedUpToItsLimitToo(t *testing.T) {
	t.Parallel()
	raw := lengthy(100_000)
	for limit, want := range map[int64]string{int64(len(raw)): "", int64(len(raw)) - 1: ingest.CodeOversize} {
		script := &imaptest.Script{Validity: 9, Next: 7, Mails: []imaptest.ScriptMail{{UID: 5, Raw: raw, Size: 70_000}}}
		w, c := newWorld(t), plaintextConfig(t, script.Serve(t))
		item := w.asideRecord(5, 70_000, ingest.CodeOversize)
		w.retry(item, limit)
		w.sweep(t.Context(), w.sweeper(c, w.deps()))
		got := w.record(5)
		if code := got.GetSetAside().GetCode(); code != want || (want == "") != bytes.Equal(w.sealedOf(got), raw) || got.Size != 70_000 {
			t.Errorf("limit %d: code %q, want %q; size %d", limit, code, want, got.Size)
		}
	}
}

// sealedOf is raw, or nothing where a record is one of asideRecord's.
func (w *world) sealedOf(record *itemv1.Record) []byte {
	if record.Layers[0].Object == "" {
		return nil
	}
	return w.raw(record)
}

func TestAMailOverWhatAnybodyReadsIsNotFetchedWhateverTheLimit(t *testing.T) {
	t.Parallel()
	for size, want := range map[int64]string{ingest.MaxFetch: ingest.CodeGone, ingest.MaxFetch + 1: ingest.CodeOversize} {
		script := &imaptest.Script{Validity: 9, Next: 7}
		w, c := newWorld(t), plaintextConfig(t, script.Serve(t))
		item := w.asideRecord(5, size, ingest.CodeOversize)
		w.retry(item, 1<<40)
		w.sweep(t.Context(), w.sweeper(c, w.deps()))
		if got := w.record(5).GetSetAside().GetCode(); got != want || w.kinds()["mail.v1.SetAside"] != 1 {
			t.Errorf("%d bytes: code %q, want %q", size, got, want)
		}
	}
}

// asideRecord puts an item of headers in place, as ingest sets it aside.
func (w *world) asideRecord(uid uint32, size int64, code string) string {
	item := event.Item("support", "INBOX", 9, uid, 0)
	w.records[item] = &itemv1.Record{
		Item: item, Mailbox: "support", Folder: "INBOX", UidValidity: 9, Uid: uid, Size: size, InternalDate: timestamppb.New(scriptDate),
		State: itemv1.State_STATE_SET_ASIDE, SetAside: &itemv1.SetAside{Code: code, Stage: ingest.Stage}, HeadersOnly: true,
		Layers: []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_RAW, State: itemv1.LayerState_LAYER_STATE_PRESENT, Size: 90}},
	}
	return item
}

func TestAMailThatCannotBeFetchedAnyMoreIsSetAsideAgainAndWhyIsSaid(t *testing.T) {
	t.Parallel()
	raw := lengthy(1000)
	size := int64(len(raw))
	for name, c := range map[string]struct {
		mail     imaptest.ScriptMail
		validity uint32
		change   func(*itemv1.Record)
		want     string // empty: it is fetched
	}{
		"as it was":              {mail: imaptest.ScriptMail{UID: 5, Raw: raw}},
		"told as another size":   {mail: imaptest.ScriptMail{UID: 5, Raw: raw, Size: 7}},
		"never as long as told":  {mail: imaptest.ScriptMail{UID: 5, Raw: raw, Size: size - 9}, change: func(r *itemv1.Record) { r.Size = size - 9 }},
		"longer told than it is": {mail: imaptest.ScriptMail{UID: 5, Raw: raw, Size: size + 900}, change: func(r *itemv1.Record) { r.Size = size + 900 }},
		"not listed once":        {mail: imaptest.ScriptMail{UID: 5, Raw: raw, Undescribed: 1, Unlisted: 1}},
		"gone":                   {mail: imaptest.ScriptMail{UID: 6, Raw: raw}, want: ingest.CodeGone},
		"folder numbered anew":   {mail: imaptest.ScriptMail{UID: 5, Raw: raw}, validity: 10, want: ingest.CodeGone},
		"another date":           {mail: imaptest.ScriptMail{UID: 5, Raw: raw, Date: "01-Jan-2020 00:00:00 +0000"}, want: ingest.CodeChanged},
		"another length":         {mail: imaptest.ScriptMail{UID: 5, Raw: raw[:900]}, want: ingest.CodeUnclearSize},
		"withheld":               {mail: imaptest.ScriptMail{UID: 5, Raw: raw, Withheld: true}, want: ingest.CodeWithheld},
		"the session breaks":     {mail: imaptest.ScriptMail{UID: 5, Raw: raw, Breaks: true}, want: ingest.CodeBreaks},
		"cut":                    {mail: imaptest.ScriptMail{UID: 5, Raw: raw, Cut: 100}, want: ingest.CodeBreaks},
		"garbled at its end":     {mail: imaptest.ScriptMail{UID: 5, BadBody: fmt.Sprintf("* 1 FETCH (UID 5 BODY[] {%d}\r\n%s;)\r\n", len(raw), raw)}, want: ingest.CodeBreaks},
		"another's after it":     {mail: imaptest.ScriptMail{UID: 5, BadBody: fmt.Sprintf("* 1 FETCH (UID 5 BODY[] {%d}\r\n%s)\r\n* 2 FETCH (UID\r\n", len(raw), raw)}, want: ingest.CodeBreaks},
		"told short throughout":  {mail: imaptest.ScriptMail{UID: 5, Raw: raw, Size: size - 9, Announce: size - 9}, change: func(r *itemv1.Record) { r.Size = size - 9 }, want: ingest.CodeBreaks},
		"nobody reads it":        {mail: imaptest.ScriptMail{UID: 5, Raw: raw}, change: func(r *itemv1.Record) { r.Mailbox = "sales" }, want: ingest.CodeNoMailbox},
		"found again, redated": {mail: imaptest.ScriptMail{UID: 2, Raw: raw, Date: "01-Jan-2020 00:00:00 +0000"}, validity: 10, change: func(r *itemv1.Record) {
			r.Place = &itemv1.Place{UidValidity: 10, Uid: 2, InternalDate: timestamppb.New(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))}
		}},
		"found again elsewhere": {mail: imaptest.ScriptMail{UID: 2, Raw: raw}, validity: 10, change: func(r *itemv1.Record) { r.Place = &itemv1.Place{UidValidity: 10, Uid: 2} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := &imaptest.Script{Validity: max(9, c.validity), Next: 7, Mails: []imaptest.ScriptMail{c.mail}}
			w := newWorld(t)
			conf := plaintextConfig(t, script.Serve(t))
			item := w.asideRecord(5, size, ingest.CodeOversize)
			if c.change != nil {
				c.change(w.records[item])
			}
			w.retry(item, 0)
			w.sweep(t.Context(), w.sweeper(conf, w.deps()))
			got, kinds := w.record(5), w.kinds()
			if c.want == "" {
				if kinds["mail.v1.Received"] != 1 || !bytes.Equal(w.raw(got), raw) {
					t.Errorf("said %v, code %q", kinds, got.GetSetAside().GetCode())
				}
				return
			}
			if kinds["mail.v1.SetAside"] != 1 || got.GetSetAside().GetCode() != c.want || got.GetSetAside().GetStage() != ingest.Stage {
				t.Errorf("said %v, code %q, want %q", kinds, got.GetSetAside().GetCode(), c.want)
			}
		})
	}
}

// The headers of a short mail, or of one that is announced too small, are no fewer bytes when they
// are sealed than the mail. They are not taken for it: it is fetched, or set aside again.
func TestTheHeadersOfAShortMailAreNotTakenForTheMail(t *testing.T) {
	t.Parallel()
	const heads, short = "Subject: cancel\r\n\r\n", "please cancel my order\r\n"
	long := strings.Repeat("the customer's words\r\n", 20)
	differing := func(body string) func(int) []byte {
		return func(n int) []byte { return fmt.Appendf(nil, "%s%s%d\r\n", heads, body, n) }
	}
	for name, c := range map[string]struct {
		mail, becomes imaptest.ScriptMail
		fetched       bool
	}{
		"withheld":                 {imaptest.ScriptMail{Raw: []byte(heads + short), Withheld: true}, imaptest.ScriptMail{Raw: []byte(heads + short)}, true},
		"ends the session":         {imaptest.ScriptMail{Raw: []byte(heads + short), Breaks: true}, imaptest.ScriptMail{Raw: []byte(heads + short)}, true},
		"nothing is known":         {imaptest.ScriptMail{Raw: []byte(heads + short), Undescribed: 1 << 30, Withheld: true}, imaptest.ScriptMail{Raw: []byte(heads + short)}, true},
		"never the same":           {imaptest.ScriptMail{Size: int64(len(heads)) + 40, Vary: differing(short)}, imaptest.ScriptMail{Raw: []byte(heads + short)}, false},
		"told as less than it has": {imaptest.ScriptMail{Size: 60, Vary: differing(long)}, imaptest.ScriptMail{Raw: []byte(heads + long), Size: 60}, false},
		"told as less, and varies": {imaptest.ScriptMail{Size: 60, Vary: differing(long)}, imaptest.ScriptMail{Size: 60, Vary: differing(long)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.mail.UID, c.becomes.UID = 5, 5
			script := among(c.mail)
			w, record := aside(t, script, func(*ingest.Config) {})
			if !record.HeadersOnly || c.fetched && c.mail.Size == 0 && record.Layers[0].Size < record.Size {
				t.Fatalf("headers only: %v, %d bytes sealed of %d", record.HeadersOnly, record.Layers[0].Size, record.Size)
			}
			script.Change(func(s *imaptest.Script) { s.Mails[1] = c.becomes })
			w.retry(record.Item, 0)
			w.said = nil
			w.sweep(t.Context(), w.sweeper(plaintextConfig(t, script.Serve(t)), w.deps()))
			w.said = slices.DeleteFunc(w.said, func(e *eventv1.Envelope) bool { return e.Item != record.Item })
			got, kinds := w.record(5), w.kinds()
			if c.fetched {
				if kinds["mail.v1.Received"] != 1 || !bytes.Equal(w.raw(got), c.becomes.Raw) || got.HeadersOnly {
					t.Errorf("said %v, code %q, %d bytes", kinds, got.GetSetAside().GetCode(), len(w.raw(got)))
				}
				return
			}
			if kinds["mail.v1.Received"] != 0 || kinds["mail.v1.SetAside"] != 1 || !got.HeadersOnly {
				t.Errorf("said %v, headers only: %v", kinds, got.HeadersOnly)
			}
		})
	}
}

// Somebody had it erased between the wish to try again and the fetching.
func TestAMailThatWasErasedAfterItWasTakenUpIsNotFetchedAndNotSaid(t *testing.T) {
	t.Parallel()
	raw := lengthy(1000)
	script := &imaptest.Script{Validity: 9, Next: 7, Mails: []imaptest.ScriptMail{{UID: 5, Raw: raw}}}
	for name, size := range map[string]int64{"headers": int64(len(raw)), "nothing": 0} {
		w := newWorld(t)
		conf := plaintextConfig(t, script.Serve(t))
		item := w.asideRecord(5, size, ingest.CodeWithheld)
		w.retry(item, 0)
		before := proto.CloneOf(w.records[item])
		w.records[item].Layers[0].State = itemv1.LayerState_LAYER_STATE_ERASED
		service := w.sweeper(conf, w.deps())
		w.sweep(t.Context(), service)
		if err := ingest.Complete(service, t.Context(), before); err != nil && size != 0 { // who read it before
			t.Errorf("%s: %v", name, err)
		}
		if got := w.record(5); len(w.said) != 0 || got.Layers[0].State != itemv1.LayerState_LAYER_STATE_ERASED || got.State != itemv1.State_STATE_REGISTERED {
			t.Errorf("%s: said %v, state %v, layer %v", name, w.kinds(), got.State, got.Layers[0].State)
		}
	}
}

// A mail of which nothing was known has no size to compare with.
func TestAMailOfWhichNothingWasKnownIsFetchedAsItIsNow(t *testing.T) {
	t.Parallel()
	raw := lengthy(1000)
	script := &imaptest.Script{Validity: 9, Next: 7, Mails: []imaptest.ScriptMail{{UID: 5, Raw: raw}}}
	w := newWorld(t)
	conf := plaintextConfig(t, script.Serve(t))
	item := w.asideRecord(5, 0, ingest.CodeWithheld)
	w.records[item].InternalDate = timestamppb.New(imap.NoDate)
	w.retry(item, 0)
	w.sweep(t.Context(), w.sweeper(conf, w.deps()))
	if got := w.record(5); w.kinds()["mail.v1.Received"] != 1 || !bytes.Equal(w.raw(got), raw) || got.Size != int64(len(raw)) {
		t.Errorf("%d bytes, the record says %d", len(w.raw(got)), got.Size)
	}
}

// Each call that a fetching makes fails once, or is the last of its process: another one
// goes on.
func TestWhateverCallFailsAMailThatIsTakenUpAgainIsWholeAndReceived(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"bucket", "put", "register", "publish"} {
		for _, when := range []moment{before, after} {
			for _, dies := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s dies=%v", kind, when, dies), func(t *testing.T) {
					t.Parallel()
					raw := lengthy(500_000)
					script := &imaptest.Script{Validity: 9, Next: 7, Mails: []imaptest.ScriptMail{{UID: 5, Raw: raw}}}
					w := newWorld(t)
					conf := plaintextConfig(t, script.Serve(t))
					w.retry(w.asideRecord(5, int64(len(raw)), ingest.CodeOversize), ingest.MaxFetch)
					f := &faulty{world: w, calls: map[string]int{}, kind: kind, n: 1, when: when}
					ctx, kill := context.WithCancel(t.Context())
					defer kill()
					deps := f.deps()
					if dies { // with its call
						f.last = kill
					}
					w.sweep(ctx, w.sweeper(conf, deps))
					if dies {
						second := w.sweeper(conf, w.deps())
						ingest.Standstill(second, 0)
						w.sweep(t.Context(), second)
					}
					if w.kinds()["mail.v1.Received"] == 0 {
						t.Error("it is not said as received")
					}
					got := w.record(5)
					if !f.fired || !bytes.Equal(w.raw(got), raw) || got.State != itemv1.State_STATE_REGISTERED || len(w.records) != 1 {
						t.Errorf("fired %v, state %v, %d bytes", f.fired, got.State, len(w.raw(got)))
					}
				})
			}
		}
	}
}

// Whoever slept while another fetched the mail, and it was removed from the server, does not set it aside.
func TestAMailThatAnotherHasCarriedOnWithIsNotSetAsideAgain(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Next: 7} // it is gone from there
	w := newWorld(t)
	conf := plaintextConfig(t, script.Serve(t))
	item := w.asideRecord(5, 1000, ingest.CodeOversize)
	w.retry(item, 0)
	service := w.sweeper(conf, w.deps())
	old := proto.CloneOf(w.record(5))
	w.file(true, w.record(5))
	if err := ingest.Complete(service, t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if got := w.record(5); got.State != itemv1.State_STATE_FILED || len(w.said) != 0 {
		t.Errorf("state %v, said %v", got.State, w.kinds())
	}
}

// What the keyring refuses for good is set aside again and lets the mailbox's next mail in;
// what it refuses for a while is fetched.
func TestAMailThatTheKeyringRefusesForGoodIsSetAsideAgainAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	for refusal, want := range map[keys.Refusal]string{
		keys.Malformed: ingest.CodeRefused, keys.Forbidden: ingest.CodeRefused, keys.Conflict: ingest.CodeChanged, keys.Late: "", keys.JournalBehind: "",
	} {
		t.Run(string(refusal), func(t *testing.T) {
			t.Parallel()
			raw := lengthy(1000)
			script := &imaptest.Script{Validity: 9, Next: 7, Mails: []imaptest.ScriptMail{{UID: 5, Raw: raw}, {UID: 6, Raw: raw}}}
			w := newWorld(t)
			conf := plaintextConfig(t, script.Serve(t))
			for _, uid := range []uint32{5, 6} {
				w.retry(w.asideRecord(uid, int64(len(raw)), ingest.CodeOversize), 0)
			}
			refused := 0
			w.refuse = func(r *keyringv1.Register) error {
				if r.GetUid() == 5 && (want != "" || refused < 11) { // more than a mail that is the reason itself is given
					refused++
					return fmt.Errorf("register: %w", refusal)
				}
				return nil
			}
			w.sweep(t.Context(), w.sweeper(conf, w.deps()))
			if got := w.record(5); got.GetSetAside().GetCode() != want || refused == 0 || want == "" && !bytes.Equal(w.raw(got), raw) {
				t.Errorf("refused %d times, code %q, want %q", refused, got.GetSetAside().GetCode(), want)
			}
			if got := w.record(6); got.GetSetAside() != nil || !bytes.Equal(w.raw(got), raw) {
				t.Errorf("the next mail: code %q, %d bytes", got.GetSetAside().GetCode(), len(w.raw(got)))
			}
		})
	}
}

func TestAMailboxThatIsAwayIsWaitedForHoweverLong(t *testing.T) {
	t.Parallel()
	raw := lengthy(1000)
	script := &imaptest.Script{Validity: 9, Next: 7, Mails: []imaptest.ScriptMail{{UID: 5, Raw: raw}}, Refuse: map[string]string{"EXAMINE": "[UNAVAILABLE] back soon"}}
	w := newWorld(t)
	conf := plaintextConfig(t, script.Serve(t))
	w.retry(w.asideRecord(5, int64(len(raw)), ingest.CodeOversize), 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.sweep(t.Context(), w.sweeper(conf, w.deps()))
	}()
	script.Sessions(11) // more than a mail that is the reason itself is given
	script.Change(func(s *imaptest.Script) { s.Refuse = nil })
	<-done
	if kinds := w.kinds(); kinds["mail.v1.Received"] != 1 || kinds["mail.v1.SetAside"] != 0 || !bytes.Equal(w.raw(w.record(5)), raw) {
		t.Errorf("said %v", kinds)
	}
}
