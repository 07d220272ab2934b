package ingest_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/vault"
	ingestv1 "github.com/postern-mail/postern/proto/ingest/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
	"github.com/postern-mail/postern/services/ingest/imaptest/mailserver"
)

// ledger is the world's records, objects and statuses.
type ledger struct {
	*world
	board  map[string]*ingestv1.Status
	erased map[string]bool // objects that are not there any more
}

func newLedger(w *world) *ledger {
	return &ledger{w, map[string]*ingestv1.Status{}, map[string]bool{}}
}

func (l *ledger) Stat(ctx context.Context, name string) (vault.Object, error) {
	if l.erased[name] {
		return vault.Object{}, vault.ErrNotFound
	}
	return l.objects.Stat(ctx, name)
}

func (l *ledger) List(ctx context.Context, prefix, after string) iter.Seq2[vault.Object, error] {
	return func(yield func(vault.Object, error) bool) {
		for object, err := range l.objects.List(ctx, prefix, after) {
			if !l.erased[object.Name] && !yield(object, err) {
				return
			}
		}
	}
}

func (l *ledger) All(context.Context) iter.Seq2[*itemv1.Record, error] {
	return func(yield func(*itemv1.Record, error) bool) {
		l.mu.Lock()
		all := slices.Collect(maps.Values(l.records))
		l.mu.Unlock()
		for _, record := range all {
			if !yield(proto.CloneOf(record), nil) {
				return
			}
		}
	}
}

func (l *ledger) Get(_ context.Context, item string) (*itemv1.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return proto.CloneOf(l.records[item]), nil
}

func (l *ledger) Read(_ context.Context, mailbox string) (*ingestv1.Status, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return proto.CloneOf(l.board[mailbox]), nil
}

func (l *ledger) Write(_ context.Context, status *ingestv1.Status) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.note()
	l.board[status.Mailbox] = proto.CloneOf(status)
	return nil
}

func (l *ledger) deps() ingest.Deps {
	deps := l.world.deps()
	deps.Records, deps.Objects, deps.Board = l, l, l
	return deps
}

// place gives the record of a mail.
func (l *ledger) place(folder string, uid uint32) *itemv1.Record {
	l.t.Helper()
	for _, record := range l.records {
		if place := event.Place(record); record.Folder == folder && place.GetUid() == uid {
			return record
		}
	}
	l.t.Fatalf("no item of %s/%d", folder, uid)
	return nil
}

// counts are a comparison's numbers in the order in which they are printed.
func counts(c ingest.Comparison) [8]int64 {
	return [8]int64{c.Server, c.Archived, c.SetAside, c.InFlight, c.Destroyed, c.Missing, c.Unknown, c.Lost}
}

func (l *ledger) checked(c ingest.Config) map[string]ingest.Comparison {
	l.t.Helper()
	checked, err := ingest.Check(l.t.Context(), c, nil, l.deps())
	if err != nil || len(checked) != 1 || checked[0].Err != nil {
		l.t.Fatalf("%+v, %v", checked, err)
	}
	folders := map[string]ingest.Comparison{}
	for _, f := range checked[0].Folders {
		folders[f.Folder] = f
	}
	return folders
}

// Each kind of difference is made by hand, and seen.
func TestServerAndArchiveAreComparedMailByMail(t *testing.T) {
	onEach(t, nil, func(t *testing.T, _ kind, server *mailserver.Server) {
		l := newLedger(newWorld(t))
		c := serverConfig(t, server)
		server.Append("ada", "INBOX", mails(9, 300)...)
		if got := counts(l.checked(c)["INBOX"]); got != [8]int64{9, 0, 0, 9} {
			t.Errorf("before anything is taken: %v", got)
		}
		_, stop := l.run(c, l.deps())
		l.until("all are said", func() bool { return l.dealt(9) })
		stop()
		if got := counts(l.checked(c)["INBOX"]); got != [8]int64{9, 0, 0, 9} {
			t.Errorf("while all are on their way: %v", got)
		}
		for uid, state := range map[uint32]itemv1.State{
			1: itemv1.State_STATE_FILED, 2: itemv1.State_STATE_RENDERED, 3: itemv1.State_STATE_TICKETED, 4: itemv1.State_STATE_SET_ASIDE,
			5: itemv1.State_STATE_TOMBSTONE, 6: itemv1.State_STATE_TICKETED, 7: itemv1.State_STATE_TICKETED, 8: itemv1.State_STATE_TICKETED,
		} {
			l.place("INBOX", uid).State = state
		}
		if got := l.checked(c)["INBOX"]; counts(got) != [8]int64{9, 6, 1, 1, 1} || got.Differs() {
			t.Errorf("all is well: %+v", got)
		}

		delete(l.records, l.place("INBOX", 6).Item)           // its record is gone
		l.erased[l.place("INBOX", 7).Layers[0].Object] = true // its original is
		l.place("INBOX", 8).Layers[0].Size++                  // its original is another
		other := server.Client("ada", "INBOX")
		other.Do(`UID STORE 2 +FLAGS (\Deleted)`)
		other.Do("EXPUNGE")
		server.Append("ada", "INBOX", mails(1, 300)...) // UID 10 is still to come
		got := l.checked(c)["INBOX"]
		if counts(got) != [8]int64{9, 4, 1, 2, 1, 1, 1, 2} || !got.Differs() {
			t.Errorf("with differences: %+v", got)
		}
		if got.MissingUIDs.Len() != 1 || !got.MissingUIDs.Contains(6) || !got.UnknownUIDs.Contains(2) || len(got.LostItems) != 2 {
			t.Errorf("%+v", got)
		}
		// Where mails are taken away after they are archived, none is missed on the server.
		c.Mailboxes[0].After = ingest.Delete
		if got := l.checked(c)["INBOX"]; got.Unknown != 0 || got.Missing != 1 {
			t.Errorf("where mails are removed: %+v", got)
		}
		// Where the folder is numbered anew, nothing is judged until ingest has read it.
		c.Mailboxes[0].After = ingest.Keep
		l.cursors["support"].Folders[0].UidValidity++
		if got := l.checked(c)["INBOX"]; !got.Renumbered || got.Unknown != 0 || got.Missing != 0 || got.InFlight != 9 {
			t.Errorf("numbered anew: %+v", got)
		}
	})
}

func TestACheckChangesNothingOnTheServerAndOneThatIsAwayHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", mails(3, 300)...)
	l := newLedger(newWorld(t))
	c := configFor(t, server)
	away := c.Mailboxes[0]
	away.ID, away.Port = "away", 1
	c.Mailboxes = append([]ingest.Mailbox{away}, c.Mailboxes...)
	checked, err := ingest.Check(t.Context(), c, nil, l.deps())
	if err != nil || len(checked) != 2 || checked[0].Err == nil || checked[1].Err != nil || checked[1].Folders[0].Server != 3 {
		t.Fatalf("%+v, %v", checked, err)
	}
	for uid, flags := range server.Client("ada", "INBOX").Flags() {
		if slices.Contains(flags, `\Seen`) {
			t.Errorf("mail %d is marked as read", uid)
		}
	}
	if _, err := ingest.Check(t.Context(), c, []string{"support", "nobody"}, l.deps()); err == nil {
		t.Error("a mailbox that is not there was compared")
	}
	boom := errors.New("the vault is away")
	deps := l.deps()
	deps.Objects = broken{boom}
	l.records["x"] = &itemv1.Record{Item: event.Item("support", "INBOX", 1, 1, 0), Mailbox: "support", Folder: "INBOX", Layers: []*itemv1.Layer{{
		Kind: itemv1.LayerKind_LAYER_KIND_RAW, State: itemv1.LayerState_LAYER_STATE_PRESENT, Object: "raw/a", Size: 1,
	}}}
	if _, err := ingest.Check(t.Context(), c, []string{"support"}, deps); !errors.Is(err, boom) {
		t.Errorf("without a vault: %v", err)
	}
}

type broken struct{ err error }

func (b broken) Stat(context.Context, string) (vault.Object, error) { return vault.Object{}, b.err }
func (b broken) List(context.Context, string, string) iter.Seq2[vault.Object, error] {
	return func(yield func(vault.Object, error) bool) { yield(vault.Object{}, b.err) }
}

func TestAHeldMailboxIsComparedByItselfAndItsGaugesAndStatusTell(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", mails(3, 300)...)
	l := newLedger(newWorld(t))
	c := configFor(t, server)
	deps := l.deps()
	registry := prometheus.NewRegistry()
	deps.Metrics = registry
	_, stop := l.run(c, deps)
	l.until("it is told that all is taken and compared", func() bool {
		status := l.board["support"]
		check := status.GetCheck().GetFolders()
		return l.dealt(3) && len(check) == 1 && status.Folders[0].State == string(ingest.OK) && check[0].GetServer() == 3 && check[0].GetInFlight() == 3
	})
	l.mu.Lock()
	delete(l.records, l.place("INBOX", 2).Item)
	status := proto.CloneOf(l.board["support"])
	l.mu.Unlock()
	folder := status.Folders[0]
	if status.Worker == "" || folder.State != string(ingest.OK) || !folder.Idle || folder.LastSuccess == nil || folder.Failure != "" {
		t.Errorf("status %v", status)
	}
	l.until("the mail that went missing is told", func() bool {
		check := l.board["support"].GetCheck().GetFolders()
		return check[0].GetMissing() == 1
	})
	if n, err := testutil.GatherAndCount(registry, "postern_ingest_check_mails", "postern_ingest_check_last_seconds"); err != nil || n != 9 {
		t.Errorf("%d gauges, %v", n, err)
	}
	stop()
}

// A check in the past is not repeated by the next holder, and what failed before is still known.
func TestTheNextHolderKnowsWhatTheOneBeforeHasTold(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	l := newLedger(newWorld(t))
	c := configFor(t, server)
	good := c.Mailboxes[0].PasswordFile
	c.Mailboxes[0].PasswordFile = secret(t, "wrong")
	_, stop := l.run(c, l.deps())
	l.until("the refusal is told", func() bool {
		f := l.board["support"].GetFolders()
		return len(f) == 1 && f[0].State == string(ingest.SignInRefused) && f[0].LastFailure != nil
	})
	stop()
	c.Mailboxes[0].PasswordFile = good
	_, stop = l.run(c, l.deps())
	l.until("it is told that all is well, and was not", func() bool {
		f := l.board["support"].GetFolders()
		return f[0].State == string(ingest.OK) && f[0].Failure == string(ingest.SignInRefused)
	})
	stop()
}

func TestWhatIsMissingIsCountedFirstAndThenTakenBesideAnIngestThatRuns(t *testing.T) {
	onEach(t, nil, func(t *testing.T, _ kind, server *mailserver.Server) {
		l := newLedger(newWorld(t))
		c := serverConfig(t, server)
		all := mails(5, 400)
		server.Append("ada", "INBOX", all...)
		_, stop := l.run(c, l.deps())
		l.until("all are said", func() bool { return l.dealt(5) })
		l.mu.Lock()
		for _, uid := range []uint32{2, 4} {
			delete(l.records, l.place("INBOX", uid).Item)
		}
		l.mu.Unlock()
		bytes := int64(len(all[1]) + len(all[3]))
		gaps, err := ingest.Backfill(t.Context(), c, "support", nil, l.deps(), false)
		if err != nil || len(gaps) != 1 || gaps[0] != (ingest.Gap{Folder: "INBOX", Here: 3, Missing: 2, MissingBytes: bytes}) {
			t.Fatalf("counted: %+v, %v", gaps, err)
		}
		if !l.dealt(5) || len(l.records) != 3 {
			t.Error("counting changed something")
		}
		gaps, err = ingest.Backfill(t.Context(), c, "support", []string{"inbox"}, l.deps(), true)
		if err != nil || len(gaps) != 1 || !gaps[0].Opened {
			t.Fatalf("taken: %+v, %v", gaps, err)
		}
		l.until("they are items again", func() bool { return len(l.records) == 5 && l.dealt(5) })
		stop()
		l.matches(server, "INBOX", "INBOX")
		if gaps, err := ingest.Backfill(t.Context(), c, "support", nil, l.deps(), true); err != nil || gaps[0].Here != 5 || gaps[0].Opened {
			t.Errorf("once more: %+v, %v", gaps, err)
		}
	})
}

func TestAFolderThatIsNotReadIsCountedAndNotTaken(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Client("ada", "INBOX").Create("Old")
	server.Append("ada", "Old", mails(4, 300)...)
	l := newLedger(newWorld(t))
	c := configFor(t, server)
	gaps, err := ingest.Backfill(t.Context(), c, "support", []string{"Old"}, l.deps(), false)
	if err != nil || len(gaps) != 1 || !gaps[0].Unread || gaps[0].Waiting != 4 || gaps[0].WaitingBytes == 0 {
		t.Errorf("%+v, %v", gaps, err)
	}
	if _, err := ingest.Backfill(t.Context(), c, "support", []string{"Old"}, l.deps(), true); !errors.Is(err, ingest.ErrUnread) {
		t.Errorf("%v, want %v", err, ingest.ErrUnread)
	}
}
