package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/postern-mail/postern/services/desk/desktest"
)

// focused names the element that has the keyboard.
const focused = `(() => { const e = document.activeElement; return (e.getAttribute("name") ?? "") + "|" + (e.getAttribute("href") ?? "") + "|" + (e.innerText ?? "").trim().split("\n")[0] })()`

// tabTo presses Tab until an element whose description holds the text has the keyboard,
// and sees that one can see where it is.
func (p *tab) tabTo(text string) {
	p.t.Helper()
	for range 60 {
		if strings.Contains(eval[string](p, focused), text) {
			if eval[string](p, `getComputedStyle(document.activeElement).outlineStyle`) == "none" {
				p.t.Errorf("one cannot see that %q has the keyboard", text)
			}
			return
		}
		p.run(chromedp.KeyEvent(kb.Tab))
	}
	p.t.Fatalf("Tab does not lead to %q", text)
}

// enter presses Enter and waits for the page that it leads to.
func (p *tab) enter() {
	p.t.Helper()
	if _, err := chromedp.Run(p.ctx, chromedp.WaitEvent(page.LoadEventFired, nil, chromedp.KeyEvent(kb.Enter))); err != nil {
		p.t.Fatal(err)
	}
}

// shows waits until an expression is true.
func (p *tab) shows(expression string) {
	p.t.Helper()
	if _, err := chromedp.Run(p.ctx, chromedp.Poll[bool](expression)); err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
}

func ticketWithValue(t testing.TB, w *desktest.World, text string) string {
	return w.Ticket(rendered(t, "From: Erika <erika@example.org>\r\nTo: support@example.com\r\nSubject: "+text+"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nMy IBAN is DE89 3704 0044 0532 0130 00.\r\n"))
}

func TestTheKeyboardAloneIsEnough(t *testing.T) {
	t.Parallel()
	for _, script := range []bool{true, false} {
		t.Run(fmt.Sprintf("script=%v", script), func(t *testing.T) {
			c := newChrome(t)
			w := desktest.New(t)
			ticket := ticketWithValue(t, w, "Refund")
			p := c.tab()
			call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !script})
			p.run(chromedp.Navigate(w.Server.URL + "/"))
			p.tabTo("name|")
			p.run(chromedp.KeyEvent("lena"))
			p.tabTo("password|")
			p.run(chromedp.KeyEvent(desktest.Password))
			p.enter()
			if at := eval[string](p, "location.pathname"); at != "/tickets" {
				t.Fatalf("sign-in leads to %s", at)
			}
			p.tabTo("|/tickets/" + ticket)
			p.enter()
			p.tabTo("status||Solved")
			if script {
				p.run(chromedp.KeyEvent(kb.Enter))
			} else {
				p.enter()
			}
			p.shows(`document.querySelector("#state [aria-pressed=true]")?.value === "solved"`)
			p.tabTo("IBAN")
			p.run(chromedp.KeyEvent(kb.Enter)) // opens the summary
			p.tabTo("reason|")
			p.run(chromedp.KeyEvent("refund to this account"))
			if script {
				p.run(chromedp.KeyEvent(kb.Enter))
			} else {
				p.enter()
			}
			p.shows(`document.querySelector(".revealed")?.textContent.replaceAll(" ", "") === "DE89370400440532013000"`)
			if script && eval[string](p, "location.pathname") != "/tickets/"+ticket {
				t.Error("the script leaves the page")
			}
			p.tabTo("|/tickets|")
			p.enter()
			if act := w.Last("reveal"); act == nil || w.Unseal(ticket, act.GetReason()) != "refund to this account" {
				t.Error("the reveal is not recorded")
			}
			if row, _, err := w.Board.Get(t.Context(), ticket); err != nil || row.Status != "solved" {
				t.Errorf("the ticket is %s, %v", row.Status, err)
			}
		})
	}
}

func TestAListKeepsItselfCurrent(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	w := desktest.New(t)
	ticketWithValue(t, w, "first")
	p := c.tab()
	p.signIn(w, "agnes")
	p.open(w.Server.URL + "/tickets")
	p.run(chromedp.KeyEvent("j")) // the keyboard is on the first line
	if got := eval[string](p, focused); !strings.Contains(got, "|/tickets/T") {
		t.Errorf("j leads to %q", got)
	}
	ticketWithValue(t, w, "second, just now")
	p.shows(`[...document.querySelectorAll("#lines .subject")].some((e) => e.textContent.includes("second, just now"))`)
	if got := eval[string](p, `document.activeElement.innerText`); !strings.Contains(got, "first") {
		t.Errorf("the keyboard has moved to %q", got)
	}
	p.run(chromedp.KeyEvent("k"))
	if got := eval[string](p, `document.activeElement.innerText`); !strings.Contains(got, "second") {
		t.Errorf("k leads to %q", got)
	}
}

// Somebody whose session has ended must not take an old list for a quiet one.
func TestAListThatIsNotKeptCurrentSaysSo(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	w := desktest.New(t)
	ticketWithValue(t, w, "first")
	p := c.tab()
	p.signIn(w, "agnes")
	p.open(w.Server.URL + "/tickets")
	if eval[bool](p, `document.getElementById("stale").checkVisibility()`) {
		t.Error("a list that is current says that it is not")
	}
	agnes, _, err := w.Users.Find("agnes")
	if err != nil {
		t.Fatal(err)
	}
	agnes.Disabled = true
	if err := w.Users.Save(agnes); err != nil {
		t.Fatal(err)
	}
	ticketWithValue(t, w, "second") // which ends the stream; the browser comes back and is not let in
	p.shows(`document.getElementById("stale").checkVisibility()`)
	if eval[bool](p, `document.body.innerText.includes("second")`) {
		t.Error("somebody who is disabled sees what came afterwards")
	}
}

func TestTheListIsSortedWithoutAScript(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	w := desktest.New(t)
	ticketWithValue(t, w, "first")
	ticketWithValue(t, w, "second")
	p := c.tab()
	p.signIn(w, "agnes")
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	p.run(chromedp.Navigate(w.Server.URL + "/tickets"))
	p.tabTo("sort|")
	p.run(chromedp.KeyEvent("o")) // the option that begins with it
	p.tabTo("||Show")
	p.enter()
	if got := eval[string](p, `document.querySelector("#lines .subject").textContent`); got != "first" {
		t.Errorf("oldest first begins with %q", got)
	}
}

func TestWhatTheDeskRefusesIsSaidInItsPlace(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	w := desktest.New(t)
	ticket := ticketWithValue(t, w, "Refund")
	p := c.tab()
	p.signIn(w, "agnes")
	p.open(w.Server.URL + "/tickets/" + ticket)
	p.run(chromedp.Click(chromedp.CSS(".masks summary")), chromedp.SendKeys(chromedp.CSS(".masks [name=reason]"), "          "))
	p.run(chromedp.Click(chromedp.CSS(".masks form button")))
	p.shows(`document.querySelector(".masks [role=alert]")?.textContent.includes("Say in a few words why")`)
	if _, ran, blocked := p.seen(); len(ran) > 0 {
		t.Errorf("the page complains: %q %q", ran, blocked)
	}
}

// Links in a message open beside the desk, without its address and without a way back.
func TestALinkInAMessageOpensElsewhere(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	other := newRecorder(t)
	w := desktest.New(t)
	ticket := w.Ticket(rendered(t, asHTML(`<p><a href="`+other.server.URL+`/shop">the shop</a></p>`)))
	p := c.tab()
	p.size(1200, 900, false)
	p.signIn(w, "agnes")
	p.open(w.Server.URL + "/tickets/" + ticket)
	box := eval[[]float64](p, `(() => { const b = document.querySelector("iframe").getBoundingClientRect(); return [b.x, b.y] })()`)
	p.run(chromedp.MouseClickXY(box[0]+30, box[1]+28))
	if missing := other.await(p.ctx, []string{"/shop"}); len(missing) > 0 {
		t.Fatalf("the link does not open: %q", missing)
	}
	if at := eval[string](p, "location.pathname"); at != "/tickets/"+ticket {
		t.Errorf("the desk has moved to %s", at)
	}
	if from := other.referrers(); len(from) > 0 {
		t.Errorf("the shop learns that it was opened from %q", from)
	}
}
