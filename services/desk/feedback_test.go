package desk_test

import (
	"net/http"
	"testing"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/services/desk/desktest"
)

func TestARefusalLeadsBackToWhereOneWas(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(rich("Printer"))
	at := "/tickets/" + ticket
	for path, want := range map[string]string{
		at + "/reveal": at, at + "/status": at, at + "/original": at + "/original", at + "/original/file": at + "/original", at + "/hold": at + "/reads",
	} {
		a := as(w, t, "omnia").post(path, "reason", "x", "value", "0")
		if a.StatusCode < 400 || !a.has(`href="`+want+`">Go back`) {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	if a := as(w, t, "omnia").post("/tickets/x%22%3E/status", "status", "open"); a.has("Go back") || a.has(`x">`) {
		t.Errorf("no ticket: %s", a.body)
	}
	if a := as(w, t, "agnes").post(at+"/reveal", "value", "0", "reason", "why"); !a.has("5 to 500 characters") {
		t.Error("a short reason is not told how long it has to be")
	}
}

func TestATicketIsFoundByItsName(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	for _, name := range []string{"aude", "petra"} {
		c := as(w, t, name)
		if a := c.get("/reads"); !a.has(`name="ticket"`) {
			t.Errorf("%s cannot look for a ticket", name)
		}
		if a := c.get("/reads?ticket=+" + ticket); a.StatusCode != 303 || a.Header.Get("Location") != "/tickets/"+ticket+"/reads" {
			t.Errorf("%s: %d to %q", name, a.StatusCode, a.Header.Get("Location"))
		}
		for _, bad := range []string{"x", "//evil.example", "T/../../x", ticket + "%0d%0aX: y"} {
			if a := c.get("/reads?ticket=" + bad); a.StatusCode != 400 || a.Header.Get("Location") != "" {
				t.Errorf("%q: %d to %q", bad, a.StatusCode, a.Header.Get("Location"))
			}
		}
	}
}

func TestWhatTheKeyringRefusesForGoodIsNotToBeTriedAgain(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	c := as(w, t, "agnes")
	for refusal, want := range map[keys.Refusal]int{
		keys.Forbidden: http.StatusConflict, keys.Held: http.StatusConflict, keys.Destroyed: http.StatusGone, keys.InUse: http.StatusServiceUnavailable,
	} {
		w.Shut(refusal)
		if a := c.get("/tickets/" + ticket); a.StatusCode != want && refusal != keys.Destroyed {
			t.Errorf("%s: %d", refusal, a.StatusCode)
		}
		if a := c.get("/tickets/" + ticket + "/files/0"); a.StatusCode != want {
			t.Errorf("%s, a file: %d", refusal, a.StatusCode)
		}
	}
}
