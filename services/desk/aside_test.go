package desk_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/desk/desktest"
)

func TestWhatIsSetAsideShowsWithItsReason(t *testing.T) {
	w := desktest.New(t)
	w.SetAside("killed_worker", "scan")
	w.SetAside("something_new", "archive")
	a := as(w, t, "lena").get("/aside")
	for _, want := range []string{"Three times a worker died over it", "killed_worker", "Something new.", "archive", "support, INBOX"} {
		if !a.has(want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if a := as(w, t, "lena").get("/aside?code=killed_worker"); !a.has("scan") || a.has(">archive<") {
		t.Error("one cause's mails are not shown by themselves")
	}
	empty := desktest.New(t)
	if a := as(empty, t, "lena").get("/aside"); !a.has("Nothing is set aside.") || a.has("badge") {
		t.Error("an empty page does not say so")
	}
}

func TestEveryPageTellsThoseWhoCareHowManyWait(t *testing.T) {
	w := desktest.New(t)
	for range 3 {
		w.SetAside("killed_worker", "scan")
	}
	if a := as(w, t, "lena").get("/tickets"); !a.has(`3 mails wait for a person`) {
		t.Error("a lead is not told")
	}
	if a := as(w, t, "agnes").get("/tickets"); a.has("wait for a person") {
		t.Error("an agent, who can do nothing about it, is told")
	}
}

func TestAMailThatIsSetAsideIsTriedAgainByThoseWhoMay(t *testing.T) {
	w := desktest.New(t)
	item := w.SetAside("killed_worker", "scan")
	lead := as(w, t, "lena")
	if a := lead.get("/aside/" + item); !a.has("Three times a worker died over it") || !a.has("Try it again") {
		t.Error("the page does not offer it")
	}
	if a := as(w, t, "aude").get("/aside/" + item); a.StatusCode != 200 || a.has("Try it again") {
		t.Error("an auditor is offered what an auditor may not do")
	}
	w.Forget()
	if a := lead.post("/aside/retry", "item", item); a.StatusCode != 303 {
		t.Fatalf("%d", a.StatusCode)
	}
	if act := w.Last("retry"); act.GetActor() != "lena" || act.GetItems()[0] != item || act.GetPurpose() != "killed_worker" {
		t.Errorf("the log says %v", act)
	}
	if a := lead.get("/aside/" + item); !a.has("It is on its way") || !a.has("killed_worker") || a.has("Try it again") {
		t.Error("that it was tried again does not show")
	}
	if a := lead.post("/aside/retry", "item", item); a.StatusCode != 409 || !a.has("not set aside any more") {
		t.Errorf("a second press: %d", a.StatusCode)
	}
}

func TestAllOfACauseAreTriedAgainTogether(t *testing.T) {
	w := desktest.New(t)
	for range 3 {
		w.SetAside("patience_exhausted", "scan")
	}
	other := w.SetAside("killed_worker", "scan")
	lead := as(w, t, "lena")
	a := lead.post("/aside/retry", "code", "patience_exhausted")
	if a.StatusCode != 303 {
		t.Fatalf("%d", a.StatusCode)
	}
	page := lead.get(a.Header.Get("Location"))
	if !page.has("3 mails were taken up again") || page.has("patience_exhausted") || !page.has("killed_worker") {
		t.Errorf("what was done does not show")
	}
	if a := lead.get("/aside/" + other); !a.has("Try it again") {
		t.Error("a mail of another cause was taken up, too")
	}
}

// Which comes first in a cause is no reason for the others to wait: only what passes stops them all.
func TestAMailThatCannotBeTriedAgainHoldsUpNoOtherOfItsCause(t *testing.T) {
	for refusal, says := range map[keys.Refusal]string{
		keys.Malformed: "2 mails were taken up again. What comes of it shows within some minutes. 1 that the keyring refuses for good stays here",
		keys.Forbidden: "1 that the keyring refuses for good stays here", keys.UnknownItem: "1 that the keyring refuses for good stays here",
		keys.Destroyed: "2 mails were taken up again. What comes of it shows within some minutes.</p>",
	} {
		for first := range 3 {
			w := desktest.New(t)
			items := []string{w.SetAside("killed_worker", "scan"), w.SetAside("killed_worker", "scan"), w.SetAside("killed_worker", "scan")}
			w.Refuse(items[first], refusal)
			lead := as(w, t, "lena")
			a := lead.post("/aside/retry", "code", "killed_worker")
			if a.StatusCode != 303 {
				t.Fatalf("%s: %d", refusal, a.StatusCode)
			}
			if page := lead.get(a.Header.Get("Location")); !page.has("2 mails were taken up again") || !page.has(says) {
				t.Errorf("%s: the page does not say %q", refusal, says)
			}
			for i, item := range items {
				if waits := w.RecordOf(item).GetState() == itemv1.State_STATE_SET_ASIDE; waits != (i == first) {
					t.Errorf("%s of mail %d: mail %d is set aside: %v", refusal, first, i, waits)
				}
			}
		}
	}
	for _, passing := range []keys.Refusal{keys.StaleRequest, keys.JournalBehind} {
		w := desktest.New(t)
		w.Refuse(w.SetAside("killed_worker", "scan"), passing)
		if a := as(w, t, "lena").post("/aside/retry", "code", "killed_worker"); a.StatusCode != 503 || !a.has("0 of 1") {
			t.Errorf("%s: %d", passing, a.StatusCode)
		}
	}
}

func TestAMailThatIsTooLargeIsTriedAgainUpToALimit(t *testing.T) {
	w := desktest.New(t)
	item := w.SetAside("oversize", "ingest")
	lead := as(w, t, "lena")
	if a := lead.get("/aside/" + item); !a.has(`name="limit"`) {
		t.Error("the page asks for no limit")
	}
	for _, limit := range []string{"0", "65", "-1", "many", "1.5"} {
		if a := lead.post("/aside/retry", "item", item, "limit", limit); a.StatusCode != 400 || !a.has("from 1 to 64") {
			t.Errorf("limit %s: %d", limit, a.StatusCode)
		}
	}
	if a := lead.post("/aside/retry", "item", item, "limit", "60"); a.StatusCode != 400 || !a.has("The mail has 61") {
		t.Errorf("a limit below the mail's size: %d", a.StatusCode)
	}
	if a := lead.post("/aside/retry", "item", item, "limit", "64"); a.StatusCode != 303 {
		t.Errorf("%d", a.StatusCode)
	}
	if got := w.RecordOf(item).GetFetchLimit(); got != 64<<20 {
		t.Errorf("up to %d bytes are fetched", got)
	}
}

func TestABadWishToTryAgainIsRefused(t *testing.T) {
	w := desktest.New(t)
	item := w.SetAside("oversize", "ingest")
	lead := as(w, t, "lena")
	for want, fields := range map[int][]string{
		400: {}, 404: {"item", "no-item"},
	} {
		if a := lead.post("/aside/retry", fields...); a.StatusCode != want {
			t.Errorf("%v: %d, want %d", fields, a.StatusCode, want)
		}
	}
	if a := lead.post("/aside/retry", "item", item, "code", "oversize"); a.StatusCode != 400 {
		t.Errorf("one and all: %d", a.StatusCode)
	}
	ticket := w.Ticket(simple("Printer"))
	for _, at := range []string{"no-item", strings.Repeat("0", 64), w.Item(ticket)} {
		if a := lead.get("/aside/" + at); a.StatusCode != 404 {
			t.Errorf("%s: %d", at, a.StatusCode)
		}
	}
	w.Shut(errAway)
	if a := lead.post("/aside/retry", "code", "oversize"); a.StatusCode != 503 || !a.has("0 of 1") {
		t.Errorf("while the keyring is away: %d", a.StatusCode)
	}
}

// The shelf reads each change once, from a real bus.
func TestTheShelfKnowsWhatIsSetAside(t *testing.T) {
	server := bustest.Start(t)
	ctx := bustest.Context(t)
	keyring := server.Connect(t, "keyring")
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	put := func(n int, state itemv1.State, code string) string {
		t.Helper()
		record := &itemv1.Record{Item: fmt.Sprintf("%064x", n), Mailbox: "support", Folder: "INBOX", Uid: uint32(n), State: state}
		if code != "" {
			record.SetAside = &itemv1.SetAside{Code: code, Stage: "scan", Time: timestamppb.New(now.Add(-time.Duration(n) * time.Hour))}
		}
		data, err := proto.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keyring.Publish(ctx, "items."+record.Item, data, bus.Headers(bus.Header{event.HeaderState: {event.StateWord(state)}})); err != nil {
			t.Fatal(err)
		}
		return record.Item
	}
	meters := prometheus.NewRegistry()
	shelf := desk.NewShelf(server.Connect(t, "desk"), nil, func() time.Time { return now }, slog.New(slog.DiscardHandler), meters)
	lies := func(want ...string) {
		t.Helper()
		all, err := shelf.Aside(ctx)
		var got []string
		for _, one := range all {
			got = append(got, one.Item)
		}
		if err != nil || strings.Join(got, " ") != strings.Join(want, " ") || shelf.Waiting() != len(want) {
			t.Errorf("set aside are %v, want %v; %v", got, want, err)
		}
	}
	lies()
	const aside, ticketed = itemv1.State_STATE_SET_ASIDE, itemv1.State_STATE_TICKETED
	put(1, ticketed, "")
	second, third := put(2, aside, "killed_worker"), put(3, aside, "oversize")
	lies(second, third)
	fourth := put(4, aside, "oversize")
	put(2, itemv1.State_STATE_REGISTERED, "")
	lies(third, fourth)
	lies(third, fourth) // nothing has changed
	want := `
# HELP postern_aside_mails Mails that are set aside and wait for a person, by cause.
# TYPE postern_aside_mails gauge
postern_aside_mails{code="oversize"} 2
# HELP postern_aside_oldest_seconds For how long the oldest of them has been set aside; 0: there is none.
# TYPE postern_aside_oldest_seconds gauge
postern_aside_oldest_seconds 14400
`
	if err := testutil.GatherAndCompare(meters, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	put(3, itemv1.State_STATE_TOMBSTONE, "")
	put(4, ticketed, "")
	lies()
}

func TestMailsThatAreTooLargeAreNotTriedAgainTogether(t *testing.T) {
	w := desktest.New(t)
	w.SetAside("oversize", "ingest")
	lead := as(w, t, "lena")
	a := lead.get("/aside")
	if a.has("<button>Try") || !a.has(`<a href="/aside?code=oversize">each with a limit of its own</a>`) {
		t.Error("the page offers to try them again without a limit")
	}
	w.SetAside("killed_worker", "scan")
	if a := lead.get("/aside"); strings.Count(a.body, "<button>Try it again") != 1 || !a.has(`name="code" value="killed_worker"`) {
		t.Error("another cause is not tried again from the page any more")
	}
}
