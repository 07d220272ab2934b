package desk_test

import (
	"log/slog"
	"slices"
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
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/desk/desktest"
)

var deleting = []string{"why", "spam", "reference", "CASE-7", "sure", "yes"}

func TestAMailThatIsSetAsideIsDeletedWithAReason(t *testing.T) {
	w := desktest.New(t)
	item := w.SetAside("killed_worker", "scan")
	lead := as(w, t, "lena")
	if a := lead.get("/aside/" + item); !a.has("/aside/" + item + "/delete") {
		t.Error("the page does not offer it")
	}
	if a := lead.get("/aside/" + item + "/delete"); !a.has("cannot be brought back") || !a.has("Nobody can bring it back") || !a.has(`name="why"`) {
		t.Error("the page does not ask whether one means it, and why")
	}
	w.Forget()
	if a := lead.post("/aside/"+item+"/delete", deleting...); a.StatusCode != 303 || a.Header.Get("Location") != "/aside/"+item {
		t.Fatalf("%d to %s", a.StatusCode, a.Header.Get("Location"))
	}
	if act := w.Last("ask_erase"); act.GetActor() != "lena" || !slices.Equal(act.GetItems(), []string{item}) || string(act.GetReason()) != "spam:CASE-7" || act.GetPurpose() != "killed_worker" {
		t.Errorf("the log says %v", act)
	}
	says := func(c *client, path string, want ...string) {
		t.Helper()
		a := c.get(path)
		for _, text := range want {
			if !a.has(text) {
				t.Errorf("%s does not say %q", path, text)
			}
		}
	}
	says(lead, "/aside/"+item, "It is on its way", "It is spam, or an attack (CASE-7)")
	says(lead, "/aside", "Deleted here", "on its way")
	if a := lead.get("/aside/" + item); a.has("Try it again") || a.has("/delete") || a.has("/original\"") {
		t.Error("what is on its way is offered for something else")
	}
	if a := lead.post("/aside/"+item+"/delete", deleting...); a.StatusCode != 409 || !a.has("lena has asked for it already") {
		t.Errorf("a second press: %d", a.StatusCode)
	}
	w.Answer("", "")
	says(lead, "/aside/"+item, "Being destroyed", "Its keys are taken")
	says(lead, "/aside", "being destroyed")
	if a := lead.get("/aside"); a.has("1 mail waits") {
		t.Error("what is being destroyed waits for a person")
	}
	w.Answer("", "C77")
	says(lead, "/aside/"+item, "Destroyed", "Certificate", "C77")
	says(lead, "/aside", "certified")
	says(as(w, t, "petra"), "/aside/"+item, `href="/retention/certificates/C77?as=page"`)
	if a := lead.post("/aside/"+item+"/delete", deleting...); a.StatusCode != 409 {
		t.Errorf("of what is gone: %d", a.StatusCode)
	}
	says(as(w, t, "aude"), "/tickets/"+event.Ticket(item)+"/reads?item="+item, "asked that it be deleted", "It is spam, or an attack (CASE-7)")
}

func TestOnlyLeadsAndPrivacyDelete(t *testing.T) {
	w := desktest.New(t)
	for name, want := range map[string]int{"lena": 303, "petra": 303, "agnes": 403, "aude": 403, "adam": 403, "nora": 403} {
		item := w.SetAside("killed_worker", "scan")
		if a := as(w, t, name).post("/aside/"+item+"/delete", deleting...); a.StatusCode != want {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
	if a := as(w, t, "lena").post("/aside/"+w.SetAside("oversize", "ingest")+"/original/file", "x", "y"); a.StatusCode != 403 {
		t.Errorf("an original that nobody let one have: %d", a.StatusCode)
	}
}

func TestADeletionThatRetentionDeclinesSaysWhyAndMayBeAskedForAgain(t *testing.T) {
	w := desktest.New(t)
	item := w.SetAside("killed_worker", "scan")
	petra := as(w, t, "petra")
	petra.post("/aside/"+item+"/delete", deleting...)
	w.Answer("held", "")
	if a := petra.get("/aside/" + item); !a.has("That was not done: it is on hold.") || !a.has("/delete") {
		t.Error("the page does not say that it was declined")
	}
	if a := petra.get("/aside"); !a.has("not done: it is on hold") {
		t.Error("the shelf does not say that it was declined")
	}
	if a := petra.post("/aside/"+item+"/delete", deleting...); a.StatusCode != 303 {
		t.Errorf("again: %d", a.StatusCode)
	}
}

func TestADeletionNeedsAReasonThatNamesNobodyAndACertainPerson(t *testing.T) {
	w := desktest.New(t)
	item := w.SetAside("killed_worker", "scan")
	lead := as(w, t, "lena")
	at := "/aside/" + item + "/delete"
	for want, fields := range map[string][]string{
		"Choose why":                    {"sure", "yes"},
		"Say that you know":             {"why", "spam"},
		"Give a reference":              {"why", "other", "sure", "yes"},
		"one word of at most 40":        {"why", "spam", "reference", "Erika Mustermann", "sure", "yes"},
		"so it must name nobody":        {"why", "spam", "reference", "erika@example.org", "sure", "yes"},
		"A reference is one word of at": {"why", "spam", "reference", strings.Repeat("a", 41), "sure", "yes"},
	} {
		if a := lead.post(at, fields...); a.StatusCode != 400 || !a.has(want) || !a.has(`href="`+at+`"`) {
			t.Errorf("%v: %d, without %q or a way back", fields, a.StatusCode, want)
		}
	}
	if w.Last("ask_erase") != nil {
		t.Error("what was refused is recorded as asked")
	}
	if a := lead.post(at, "why", "other", "reference", strings.Repeat("a", 40), "sure", "yes"); a.StatusCode != 303 {
		t.Errorf("a reference of 40: %d", a.StatusCode)
	}
	ticket := w.Ticket(simple("Printer"))
	for _, other := range []string{"no-item", strings.Repeat("0", 64), w.Item(ticket)} {
		if a := lead.post("/aside/"+other+"/delete", deleting...); a.StatusCode != 404 {
			t.Errorf("%s: %d", other, a.StatusCode)
		}
	}
}

func TestADeletionThatCannotBeRecordedIsNotAskedFor(t *testing.T) {
	w := desktest.New(t)
	item := w.SetAside("killed_worker", "scan")
	lead := as(w, t, "lena")
	w.Mute(errAway)
	if a := lead.post("/aside/"+item+"/delete", deleting...); a.StatusCode != 503 {
		t.Errorf("%d", a.StatusCode)
	}
	w.Mute(nil)
	if a := lead.get("/aside/" + item); a.has("on its way") {
		t.Error("it is on its way without a record")
	}
}

func TestWhatWasTakenUpAgainOrIsHeldIsNotDeleted(t *testing.T) {
	w := desktest.New(t)
	item := w.SetAside("killed_worker", "scan")
	lead := as(w, t, "lena")
	lead.post("/aside/retry", "item", item)
	for _, a := range []answer{lead.get("/aside/" + item + "/delete"), lead.post("/aside/"+item+"/delete", deleting...)} {
		if a.StatusCode != 409 || !a.has("not set aside any more") {
			t.Errorf("%d", a.StatusCode)
		}
	}
	held := w.SetAside("killed_worker", "scan")
	w.HoldItem(held)
	if a := lead.post("/aside/"+held+"/delete", deleting...); a.StatusCode != 409 || !a.has("on hold") {
		t.Errorf("held: %d", a.StatusCode)
	}
	if a := lead.get("/aside/" + held); a.has("/delete") || !a.has("kept past these dates") {
		t.Error("what is held is offered for deletion")
	}
	if w.Last("ask_erase") != nil {
		t.Error("it was asked for")
	}
}

func TestTheOriginalOfWhatIsSetAsideIsHandedOutOnceWithASecondPersonsApproval(t *testing.T) {
	w := desktest.New(t)
	item := w.SetAside("killed_worker", "scan")
	lena, leo := as(w, t, "lena"), as(w, t, "leo")
	at, ticket := "/aside/"+item+"/original", event.Ticket(item)
	if a := lena.get("/aside/" + item); !a.has(`href="` + at + `"`) {
		t.Error("the page does not offer it")
	}
	if a := lena.post(at+"/file", "x", "y"); a.StatusCode != 403 {
		t.Errorf("unasked: %d", a.StatusCode)
	}
	for want, fields := range map[string][]string{"Choose why": {}, "name nobody": {"why", "law", "reference", "Erika M"}} {
		if a := lena.post(at, fields...); a.StatusCode != 400 || !a.has(want) {
			t.Errorf("%v: %d", fields, a.StatusCode)
		}
	}
	w.Forget()
	if a := lena.post(at, "why", "see_what_stopped_it", "reference", "INC-9"); a.StatusCode != 303 || a.Header.Get("Location") != at {
		t.Fatalf("%d to %s", a.StatusCode, a.Header.Get("Location"))
	}
	if act := w.Last("ask_original"); act.GetActor() != "lena" || act.GetItems()[0] != item || string(act.GetReason()) != "see_what_stopped_it:INC-9" {
		t.Errorf("the log says %v", act)
	}
	if a := leo.post(at, "why", "law"); a.StatusCode != 409 {
		t.Errorf("asking second: %d", a.StatusCode)
	}
	if a := lena.get("/originals/" + ticket); a.StatusCode != 403 {
		t.Errorf("deciding one's own: %d", a.StatusCode)
	}
	if a := leo.get("/originals"); !a.has("/originals/"+ticket) || !a.has("set aside") {
		t.Error("the wish does not wait for a second person")
	}
	if a := leo.get("/originals/" + ticket); !a.has("To see what stopped it (INC-9)") || !a.has("Three times a worker died over it") {
		t.Error("whoever decides does not see why")
	}
	if a := lena.post(at + "/file"); a.StatusCode != 403 {
		t.Errorf("before it was decided: %d", a.StatusCode)
	}
	if a := decide(t, leo, ticket, "approve"); a.StatusCode != 303 {
		t.Fatalf("approving: %d", a.StatusCode)
	}
	if a := leo.post(at + "/file"); a.StatusCode != 403 {
		t.Errorf("another person: %d", a.StatusCode)
	}
	w.Forget()
	a := lena.post(at + "/file")
	if a.StatusCode != 200 || a.body != desktest.AsideRaw {
		t.Fatalf("%d: %q", a.StatusCode, a.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/octet-stream", "Content-Disposition": "attachment; filename=set-aside-" + item[:12] + ".eml",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if act := w.Last("breakglass"); act.GetActor() != "lena" || act.GetTicket() != ticket || string(act.GetReason()) != "see_what_stopped_it:INC-9" {
		t.Errorf("the keyring's record is %v", act)
	}
	if a := lena.post(at + "/file"); a.StatusCode != 403 {
		t.Errorf("a second time: %d", a.StatusCode)
	}
}

func TestAnOriginalOfWhatIsSetAsideIsNotHandedOutUnrecorded(t *testing.T) {
	w := desktest.New(t)
	item := w.SetAside("killed_worker", "scan")
	lena, leo := as(w, t, "lena"), as(w, t, "leo")
	lena.post("/aside/"+item+"/original", "why", "law")
	decide(t, leo, event.Ticket(item), "approve")
	w.Mute(errAway)
	if a := lena.post("/aside/" + item + "/original/file"); a.StatusCode != 503 || a.has("as it came\r\n") {
		t.Errorf("%d", a.StatusCode)
	}
	w.Mute(nil)
	if a := lena.post("/aside/" + item + "/original/file"); a.StatusCode != 200 {
		t.Errorf("with the log again: %d", a.StatusCode)
	}
	// Of what has been destroyed meanwhile there is nothing to hand out.
	lena.post("/aside/"+item+"/original", "why", "law")
	decide(t, leo, event.Ticket(item), "approve")
	lena.post("/aside/"+item+"/delete", deleting...)
	w.Answer("", "C1")
	if a := lena.post("/aside/" + item + "/original/file"); a.StatusCode != 410 {
		t.Errorf("destroyed: %d", a.StatusCode)
	}
	if a := lena.get("/aside/" + item + "/original"); !a.has("has been destroyed") {
		t.Error("the page does not say that it is gone")
	}
}

// On a real bus: what the desk says is what retention hears, and what retention answers shows.
func TestADeletionIsAskedForAndAnsweredOnTheBus(t *testing.T) {
	server := bustest.Start(t)
	ctx := bustest.Context(t)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	conn, retain := server.Connect(t, "desk"), server.Connect(t, "retain")
	speech, custody := desk.NewSpeech(conn, func() time.Time { return now }), desk.NewCustody(conn, nil, nil, nil)
	items := []string{itemNamed(1), itemNamed(2), itemNamed(3)}
	for _, item := range items {
		if err := speech.Wish(ctx, item, "lena", "spam:"+item[:4]); err != nil {
			t.Fatal(err)
		}
	}
	deletions := func(item string, limit int) []desk.Deletion {
		t.Helper()
		all, err := custody.Deletions(ctx, item, limit)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	all := deletions("", 10)
	if len(all) != 3 || all[0].Item != items[2] || all[2].By != "lena" || all[1].Reason != "spam:"+items[1][:4] || !all[0].Time.Equal(now) || !all[0].Open() {
		t.Fatalf("%+v", all)
	}
	if some := deletions("", 2); len(some) != 2 || some[1].Item != items[1] {
		t.Errorf("the newest two: %+v", some)
	}
	say := func(said proto.Message) {
		t.Helper()
		envelope, err := event.New(strings.Repeat("0", 32), "retain", 0, "", now, said)
		if err != nil {
			t.Fatal(err)
		}
		data, err := event.Marshal(envelope)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := retain.Publish(ctx, event.Name(said), data); err != nil {
			t.Fatal(err)
		}
	}
	say(&retentionv1.Planned{Plan: all[0].Plan, Time: timestamppb.New(now)})
	say(&retentionv1.Planned{Plan: all[1].Plan, Time: timestamppb.New(now)})
	say(&retentionv1.Certified{Plan: all[1].Plan, Certificate: "C2"})
	say(&retentionv1.Withdrawn{Plan: all[2].Plan, Code: "held"})
	all = deletions("", 10)
	if !all[0].Planned || !all[0].Open() || all[1].Certificate != "C2" || all[1].Open() || all[2].Declined != "held" || all[2].Open() {
		t.Errorf("%+v", all)
	}
	if one := deletions(items[1], 1); len(one) != 1 || one[0].Certificate != "C2" {
		t.Errorf("of one item: %+v", one)
	}
	if id, err := custody.CertificateOf(ctx, all[1].Plan); err != nil || id != "C2" {
		t.Errorf("%q, %v", id, err)
	}
	if id, err := custody.CertificateOf(ctx, all[0].Plan); err != nil || id != "" {
		t.Errorf("%q, %v", id, err)
	}
}

// A record whose keys are taken stands on the shelf until it is a tombstone, and waits for nobody.
func TestTheShelfCountsNothingThatIsBeingDestroyed(t *testing.T) {
	server := bustest.Start(t)
	ctx := bustest.Context(t)
	keyring := server.Connect(t, "keyring")
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const aside = itemv1.State_STATE_SET_ASIDE
	for n, state := range []itemv1.LayerState{itemv1.LayerState_LAYER_STATE_PRESENT, itemv1.LayerState_LAYER_STATE_ERASED} {
		record := &itemv1.Record{
			Item: itemNamed(n), State: aside, Layers: []*itemv1.Layer{{State: state}},
			SetAside: &itemv1.SetAside{Code: "killed_worker", Time: timestamppb.New(now.Add(-time.Duration(n) * time.Hour))},
		}
		data, err := proto.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keyring.Publish(ctx, "items."+record.Item, data, bus.Headers(bus.Header{event.HeaderState: {event.StateWord(aside)}})); err != nil {
			t.Fatal(err)
		}
	}
	meters := prometheus.NewRegistry()
	shelf := desk.NewShelf(server.Connect(t, "desk"), nil, func() time.Time { return now }, slog.New(slog.DiscardHandler), meters)
	all, err := shelf.Aside(ctx)
	if err != nil || len(all) != 2 || all[0].Leaving || !all[1].Leaving || shelf.Waiting() != 1 {
		t.Errorf("%+v, %d wait, %v", all, shelf.Waiting(), err)
	}
	want := `
# HELP postern_aside_mails Mails that are set aside and wait for a person, by cause.
# TYPE postern_aside_mails gauge
postern_aside_mails{code="killed_worker"} 1
# HELP postern_aside_oldest_seconds For how long the oldest of them has been set aside; 0: there is none.
# TYPE postern_aside_oldest_seconds gauge
postern_aside_oldest_seconds 0
`
	if err := testutil.GatherAndCompare(meters, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
