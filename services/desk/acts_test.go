package desk_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/event"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/desk/desktest"
)

func itemNamed(uid int) string { return event.Item("support", "INBOX", 1, uint32(uid), 0) }

// acted has a board apply acts one after another, as entries of AUDIT.
type acted struct {
	t        *testing.T
	board    *desk.Board
	sequence uint64
}

func (a *acted) act(action string, items ...string) {
	a.t.Helper()
	a.sequence++
	act := &auditv1.Act{Id: fmt.Sprint(a.sequence), Time: timestamppb.New(time.Unix(int64(a.sequence), 0)), Actor: "agnes", Action: action, Items: items, Outcome: "allowed"}
	envelope, err := event.New(fmt.Sprintf("%032x", a.sequence), "desk", 0, "", time.Unix(int64(a.sequence), 0), &auditv1.Entry{Acts: []*auditv1.Act{act}})
	if err != nil {
		a.t.Fatal(err)
	}
	data, err := event.Marshal(envelope)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := a.board.ApplyAct(a.t.Context(), a.sequence, "audit.v1.Entry.desk", data); err != nil {
		a.t.Fatal(err)
	}
}

// The slack before a set is trimmed is 50 acts.
func TestTheBoardKeepsABoundedNumberOfActs(t *testing.T) {
	model := emptyModel(t)
	a := &acted{t: t, board: desk.NewBoard(model).Keeping(desk.ActLimits{All: 100, Item: 30, Looks: 10})}
	quiet, busy := itemNamed(1), itemNamed(2)
	a.act("reveal", quiet)
	for range 400 {
		a.act("open", quiet, busy) // a look at a list
		a.act("status", busy)
		a.act("sign_in")
	}
	count := func(set string) int64 {
		t.Helper()
		n, err := model.Count(t.Context(), set, 0, 1e18)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for set, most := range map[string]int64{"acts": 150, "acts:" + busy: 80, "looks:" + busy: 60, "looks:" + quiet: 60} {
		if n := count(set); n == 0 || n > most {
			t.Errorf("%s has %d members, want at most %d", set, n, most)
		}
	}
	acts, err := a.board.Acts(t.Context(), quiet, 200)
	if err != nil {
		t.Fatal(err)
	}
	// What was done to a quiet item stays, however often it stood in a list.
	if last := acts[len(acts)-1]; last.GetAction() != "reveal" || len(acts) > 1+10 || acts[0].GetAction() != "open" {
		t.Errorf("the quiet item has %d acts, the first is %q", len(acts), last.GetAction())
	}
	recent, err := a.board.RecentActs(t.Context(), 200)
	if err != nil || len(recent) != 100 || recent[0].GetAction() != "sign_in" || recent[99].GetId() != fmt.Sprint(a.sequence-99) {
		t.Errorf("%d recent acts, %v", len(recent), err)
	}
	// No cell is left that no set names: those of all, of the busy item, and the reveal.
	cells, err := model.Scrub(t.Context(), "act:*")
	if err != nil || cells > 150+80+1 {
		t.Errorf("%d cells are kept, %v", cells, err)
	}
}

func TestWishesThatHaveEndedLeaveTheBoard(t *testing.T) {
	model := emptyModel(t)
	board := desk.NewBoard(model)
	for i := range 5 {
		ticket := event.Ticket(itemNamed(i))
		at := time.Date(2026, 11, 21+i, 12, 0, 0, 0, time.UTC)
		act := &auditv1.Act{Actor: "agnes", Action: "ask_original", Items: []string{itemNamed(i)}, Ticket: ticket, Time: timestamppb.New(at)}
		envelope, err := event.New(fmt.Sprintf("%032x", i), "desk", 0, "", at, &auditv1.Entry{Acts: []*auditv1.Act{act}})
		if err != nil {
			t.Fatal(err)
		}
		data, err := event.Marshal(envelope)
		if err != nil {
			t.Fatal(err)
		}
		if err := board.ApplyAct(t.Context(), uint64(i+1), "audit.v1.Entry.desk", data); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := model.Count(t.Context(), "asked", 0, 1e18); err != nil || n != 1 {
		t.Errorf("%d wishes stand on the board, %v", n, err)
	}
}

func TestTheLogItselfIsReadWhereTheBoardEnds(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(rich("Printer"))
	as(w, t, "agnes").post("/tickets/"+ticket+"/reveal", "value", "0", "reason", "refund to Erika")
	lead := as(w, t, "lena")
	for i := range 210 {
		lead.post("/tickets/"+ticket+"/status", "status", []string{"open", "pending"}[i%2])
	}
	auditor := as(w, t, "aude")
	page := auditor.get("/tickets/" + ticket + "/reads")
	if page.has("revealed a masked value") || !page.has("?log=end") {
		t.Error("the board's page has what it should have no more, or does not lead to the log")
	}
	at := "/tickets/" + ticket + "/reads?log=end"
	for found := false; !found; {
		page = auditor.get(at)
		found = page.has("revealed a masked value")
		_, rest, more := strings.Cut(page.body, `/reads?log=`)
		if number, _, _ := strings.Cut(rest, `"`); more && !found {
			at = "/tickets/" + ticket + "/reads?log=" + number
		} else if !found {
			t.Fatalf("the log does not lead to the reveal: %s", page.body)
		}
	}
	if !page.has("This is where the log begins.") {
		t.Error("the page does not say that it is the log's first")
	}
	_, rest, _ := strings.Cut(page.body, `name="log" value="`)
	number, _, _ := strings.Cut(rest, `"`)
	if a := auditor.post("/tickets/"+ticket+"/reasons", "log", number); !a.has("refund to Erika") {
		t.Error("the reasons of old acts cannot be opened")
	}
	if a := auditor.get("/reads?log=1"); !a.has("entries 1 to 1") || !a.has("signed in") {
		t.Error("all of the log is not shown")
	}
	if a := auditor.get("/reads?log=9999999"); a.StatusCode != 200 {
		t.Errorf("beyond the end: %d", a.StatusCode)
	}
	for _, bad := range []string{"x", "-1", "99999999999999999999999"} {
		if a := auditor.get("/reads?log=" + bad); a.StatusCode != 400 {
			t.Errorf("%q: %d", bad, a.StatusCode)
		}
	}
	if a := as(w, t, "agnes").get("/reads?log=end"); a.StatusCode != 403 {
		t.Errorf("an agent: %d", a.StatusCode)
	}
}

func TestOnARealBusTheLogIsReadInStretches(t *testing.T) {
	bustest.Each(t, func(t *testing.T, b *bustest.Bus) {
		conn := b.Connect(t, "desk")
		speech := desk.NewSpeech(conn, time.Now)
		ledger := desk.NewLedger(conn)
		if s, err := ledger.Stretch(t.Context(), 0, "", 10); err != nil || len(s.Acts) != 0 || s.Older() != 0 {
			t.Errorf("an empty log: %+v, %v", s, err)
		}
		for i := range 25 {
			if err := speech.Record(t.Context(), &auditv1.Act{Actor: "agnes", Action: fmt.Sprint("act_", i+1), Items: []string{itemNamed(i % 2)}, Outcome: "allowed"}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := conn.Publish(t.Context(), "audit.v1.Entry.desk", []byte("garbage")); err != nil {
			t.Fatal(err)
		}
		var seen []string
		unread := 0
		for last := uint64(0); ; {
			s, err := ledger.Stretch(t.Context(), last, itemNamed(0), 5)
			if err != nil || len(s.Acts) > 5 {
				t.Fatalf("%+v, %v", s, err)
			}
			for _, act := range s.Acts {
				seen = append(seen, act.GetAction())
			}
			unread += s.Unread
			if last = s.Older(); last == 0 {
				break
			}
		}
		if want := "act_25 act_23 act_21 act_19 act_17 act_15 act_13 act_11 act_9 act_7 act_5 act_3 act_1"; strings.Join(seen, " ") != want || unread != 1 {
			t.Errorf("read %q, %d unread", seen, unread)
		}
	})
}
