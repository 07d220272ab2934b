package desk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/desk/desktest"
)

// asked has agnes ask for a ticket's original.
func asked(t *testing.T) (w *desktest.World, ticket string, agnes *client) {
	t.Helper()
	w = desktest.New(t)
	ticket = w.Ticket(simple("Printer"))
	agnes = as(w, t, "agnes")
	if a := agnes.post("/tickets/"+ticket+"/original", "reason", "to see it whole"); a.StatusCode != 303 {
		t.Fatalf("asking: %d", a.StatusCode)
	}
	return w, ticket, agnes
}

// decide has somebody look at a wish and decide it.
func decide(t *testing.T, c *client, ticket, decision string) answer {
	t.Helper()
	_, rest, _ := strings.Cut(c.get("/originals/"+ticket).body, `name="wish" value="`)
	wish, _, _ := strings.Cut(rest, `"`)
	return c.post("/originals/"+ticket, "decision", decision, "wish", wish)
}

func TestWhoDecidesSecondDecidesNothing(t *testing.T) {
	for _, second := range []string{"approve", "refuse"} {
		w, ticket, _ := asked(t)
		w.Pass(22 * time.Hour) // everybody's session has ended
		lena, leo, agnes := as(w, t, "lena"), as(w, t, "leo"), as(w, t, "agnes")
		w.Meanwhile(func() {
			if a := decide(t, lena, ticket, "approve"); a.StatusCode != 303 {
				t.Errorf("the first decision: %d", a.StatusCode)
			}
		})
		w.Forget()
		if a := decide(t, leo, ticket, second); a.StatusCode != 409 {
			t.Errorf("the second decision: %d", a.StatusCode)
		}
		if got := strings.Join(w.Acts(), ", "); strings.Contains(got, "leo approve") || strings.Contains(got, "leo refuse") {
			t.Errorf("recorded: %s", got)
		}
		// The approval is lena's, and lives no longer than it would have.
		if a := agnes.get("/tickets/" + ticket + "/original"); !a.has("lena let you have it") {
			t.Errorf("after a second %s the approval is gone", second)
		}
		w.Pass(time.Hour)
		if a := as(w, t, "agnes").post("/tickets/" + ticket + "/original/file"); a.StatusCode != 403 {
			t.Errorf("an hour later: %d", a.StatusCode)
		}
	}
}

func TestADecisionThatCannotBeRecordedIsNone(t *testing.T) {
	for _, decision := range []string{"approve", "refuse"} {
		w, ticket, agnes := asked(t)
		lena := as(w, t, "lena")
		w.Meanwhile(func() { w.Mute(errAway) })
		if a := decide(t, lena, ticket, decision); a.StatusCode != 503 {
			t.Errorf("%s: %d", decision, a.StatusCode)
		}
		w.Mute(nil)
		if a := agnes.get("/tickets/" + ticket + "/original"); !a.has("You asked for it") {
			t.Errorf("%s: the wish does not wait any more", decision)
		}
		if a := decide(t, lena, ticket, "approve"); a.StatusCode != 303 {
			t.Errorf("%s, then again: %d", decision, a.StatusCode)
		}
	}
}

func TestAWrongWishDoesNotLengthenTheRightOnesLife(t *testing.T) {
	w, ticket, _ := asked(t)
	w.Pass(23*time.Hour + 59*time.Minute)
	lena := as(w, t, "lena")
	if a := lena.post("/originals/"+ticket, "decision", "approve", "wish", "another"); a.StatusCode != 409 {
		t.Errorf("%d", a.StatusCode)
	}
	w.Pass(2 * time.Minute)
	if a := lena.get("/originals/" + ticket); a.StatusCode != 404 {
		t.Errorf("after a day: %d", a.StatusCode)
	}
}

func TestSomebodyElsesWishSurvivesAnApprovalThatEnds(t *testing.T) {
	w, ticket, agnes := asked(t)
	decide(t, as(w, t, "lena"), ticket, "approve")
	w.Meanwhile(func() {
		w.Pass(time.Hour)
		if a := as(w, t, "albert").post("/tickets/"+ticket+"/original", "reason", "I need it too"); a.StatusCode != 303 {
			t.Errorf("asking second: %d", a.StatusCode)
		}
	})
	if a := agnes.post("/tickets/" + ticket + "/original/file"); a.StatusCode != 409 || w.Last("breakglass") != nil {
		t.Errorf("an approval that has ended: %d", a.StatusCode)
	}
	if a := as(w, t, "albert").get("/tickets/" + ticket + "/original"); !a.has("You asked for it") {
		t.Error("the second wish is lost")
	}
}

func TestAnApprovalIsNotUsedUpWhereNothingWasHandedOut(t *testing.T) {
	w, ticket, agnes := asked(t)
	decide(t, as(w, t, "lena"), ticket, "approve")
	w.Shut(errAway)
	if a := agnes.post("/tickets/" + ticket + "/original/file"); a.StatusCode != 503 {
		t.Errorf("without the keyring: %d", a.StatusCode)
	}
	w.Shut(nil)
	if a := agnes.post("/tickets/" + ticket + "/original/file"); a.StatusCode != 200 {
		t.Errorf("with it again: %d", a.StatusCode)
	}
	if a := agnes.post("/tickets/" + ticket + "/original/file"); a.StatusCode != 403 {
		t.Errorf("a second time: %d", a.StatusCode)
	}
}

func TestAWishThatIsTurnedDownIsNotRecordedAsAsked(t *testing.T) {
	w, ticket, _ := asked(t)
	w.Forget()
	if a := as(w, t, "albert").post("/tickets/"+ticket+"/original", "reason", "me too, please"); a.StatusCode != 409 || w.Last("ask_original") != nil {
		t.Errorf("%d, %v", a.StatusCode, w.Acts())
	}
}

func TestTheTicketShowsWhoWaitsForItsOriginal(t *testing.T) {
	w, ticket, agnes := asked(t)
	albert := as(w, t, "albert")
	shows := func(c *client, want string) {
		t.Helper()
		a := c.get("/tickets/" + ticket)
		if !a.has(want) || !a.has(`href="/tickets/`+ticket+`/original"`) {
			_, rest, _ := strings.Cut(a.body, `<ul class="plain-list">`)
			got, _, _ := strings.Cut(rest, "</ul>")
			t.Errorf("the ticket does not say %q: %s", want, got)
		}
	}
	shows(agnes, "The original: asked for by you, ")
	shows(albert, "The original: asked for by agnes, ")
	decide(t, as(w, t, "lena"), ticket, "approve")
	shows(agnes, "The original: lena let you have it, ")
	shows(albert, "The original: lena let ")
	if a := albert.get("/tickets/" + ticket); !a.has("agnes have it") || a.has("download it") {
		t.Error("another person's approval reads like one's own")
	}
	agnes.post("/tickets/" + ticket + "/original/file")
	shows(agnes, "Ask for the original")
}
