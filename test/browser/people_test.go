package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/postern-mail/postern/services/desk"
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

// ticketWithFile has a value that is masked, and a file that passes.
func ticketWithFile(t testing.TB, w *desktest.World, subject string) string {
	return w.Ticket(rendered(t, "From: Erika <erika@example.org>\r\nTo: support@example.com\r\nSubject: "+subject+"\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"+
		"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nMy IBAN is DE89 3704 0044 0532 0130 00.\r\n"+
		"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment; filename=note.txt\r\n\r\n"+note+"\r\n--b--\r\n"))
}

const note = "The invoice has the number 4711."

// downloads has the browser put files into a folder, and gives a wait for one.
func (p *tab) downloads() (await func(name string) string) {
	p.t.Helper()
	folder := p.t.TempDir()
	call(p, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder})
	return func(name string) string {
		p.t.Helper()
		content := ""
		p.until("the file "+name+" is there", func() bool {
			read, err := os.ReadFile(filepath.Join(folder, name))
			content = string(read)
			return err == nil && content != ""
		})
		return content
	}
}

// until waits for a condition for as long as the test may take.
func (p *tab) until(what string, met func() bool) {
	p.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !met() {
		select {
		case <-p.ctx.Done():
			p.t.Fatalf("%s: it never is", what)
		case <-ticker.C:
		}
	}
}

// becomes waits until an expression is true, in this page or in one that comes in its place.
func (p *tab) becomes(expression string) {
	p.t.Helper()
	p.until(expression, func() bool {
		value, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](expression))
		return err == nil && value
	})
}

func TestTheKeyboardAloneIsEnough(t *testing.T) {
	t.Parallel()
	for _, script := range []bool{true, false} {
		t.Run(fmt.Sprintf("script=%v", script), func(t *testing.T) {
			c := newChrome(t)
			w := desktest.New(t)
			ticket := ticketWithFile(t, w, "Refund")
			other := ticketWithValue(t, w, "Parcel")
			p := c.tab()
			file := p.downloads()
			call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !script})
			press := func() { // what answers in its place with the script, and with a page without
				if script {
					p.run(chromedp.KeyEvent(kb.Enter))
				} else {
					p.enter()
				}
			}
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
			press()
			p.shows(`document.querySelector("#state [aria-pressed=true]")?.value === "solved"`)
			p.tabTo("assignee|")
			p.run(chromedp.KeyEvent("agnes")) // the option that begins with it
			p.tabTo("||Give")
			press()
			p.shows(`document.querySelector("#state select option[selected]")?.value === "agnes"`)
			p.tabTo("IBAN")
			p.run(chromedp.KeyEvent(kb.Enter)) // opens the summary
			p.tabTo("reason|")
			p.run(chromedp.KeyEvent("refund to this account"))
			press()
			p.shows(`document.querySelector(".revealed")?.textContent.replaceAll(" ", "") === "DE89370400440532013000"`)
			if script && eval[string](p, "location.pathname") != "/tickets/"+ticket {
				t.Error("the script leaves the page")
			}
			p.tabTo("|/tickets/" + ticket + "/files/0|")
			p.run(chromedp.KeyEvent(kb.Enter))
			if got := file("note.txt"); got != note {
				t.Errorf("the file is %q", got)
			}
			p.tabTo("|/tickets|")
			p.enter()

			// The list: by its tabs, by its filter and by searching.
			listed := func(want, without string) {
				t.Helper()
				lists := eval[string](p, `[...document.querySelectorAll("#lines a")].map((a) => a.getAttribute("href")).join(" ")`)
				if !strings.Contains(lists, want) || strings.Contains(lists, without) {
					t.Errorf("%s lists %s", eval[string](p, "location.search"), lists)
				}
			}
			p.tabTo("|/tickets?status=solved|")
			p.enter()
			listed(ticket, other)
			p.tabTo("|/tickets?status=all|")
			p.enter()
			p.tabTo("assignee|")
			p.run(chromedp.KeyEvent("agnes"))
			p.tabTo("||Show")
			p.enter()
			listed(ticket, other)
			p.tabTo("q|")
			p.run(chromedp.KeyEvent("parcel"))
			p.enter()
			listed(other, ticket)

			if act := w.Last("reveal"); act == nil || w.Unseal(ticket, act.GetReason()) != "refund to this account" {
				t.Error("the reveal is not recorded")
			}
			if act := w.Last("download"); act.GetActor() != "lena" || act.GetTicket() != ticket {
				t.Error("the download is not recorded")
			}
			if row, _, err := w.Board.Get(t.Context(), ticket); err != nil || row.Status != "solved" || row.Assignee != "agnes" {
				t.Errorf("the ticket is %s, with %q, %v", row.Status, row.Assignee, err)
			}
		})
	}
}

// fingertip is the least side of what is tapped, in CSS pixels (WCAG 2.2, 2.5.8).
const fingertip = 24

// tap touches the middle of an element, where a finger would meet it and nothing above it.
func (p *tab) tap(selector string) {
	p.t.Helper()
	box := eval[[]float64](p, fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		if (!e) return [];
		e.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
		const b = e.getBoundingClientRect(), x = b.x + b.width / 2, y = b.y + b.height / 2, met = document.elementFromPoint(x, y);
		return [x, y, b.width, b.height, met && (e.contains(met) || met.contains(e)) ? 1 : 0];
	})()`, selector))
	switch {
	case len(box) == 0:
		p.t.Fatalf("there is no %s", selector)
	case box[2] < fingertip || box[3] < fingertip:
		p.t.Errorf("%s is too small for a finger: %.0f by %.0f", selector, box[2], box[3])
	case box[4] == 0:
		p.t.Errorf("%s lies under something else", selector)
	}
	call(p, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: input.DispatchTouchEventTypeTouchStart, TouchPoints: []*input.TouchPoint{{X: box[0], Y: box[1]}}})
	call(p, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: input.DispatchTouchEventTypeTouchEnd, TouchPoints: []*input.TouchPoint{}})
}

// write taps a field and writes into it.
func (p *tab) write(selector, text string) {
	p.t.Helper()
	p.tap(selector)
	p.becomes(fmt.Sprintf(`document.activeElement === document.querySelector(%q)`, selector))
	p.run(chromedp.KeyEvent(text))
}

func TestATelephoneIsEnough(t *testing.T) {
	t.Parallel()
	for _, script := range []bool{true, false} {
		t.Run(fmt.Sprintf("script=%v", script), func(t *testing.T) {
			c := newChrome(t)
			w := desktest.New(t)
			ticket := ticketWithFile(t, w, "Refund")
			p := c.tab()
			file := p.downloads()
			p.size(360, 740, true)
			call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !script})
			p.run(chromedp.Navigate(w.Server.URL + "/"))
			p.write("[name=name]", "agnes")
			p.write("[name=password]", desktest.Password)
			p.tap("button.strong")
			p.becomes(`location.pathname === "/tickets" && document.readyState === "complete"`)
			p.tap(`a[href="/tickets/` + ticket + `"]`)
			p.becomes(`location.pathname === "/tickets/` + ticket + `" && document.readyState === "complete"`)
			p.tap(`button[name=assignee]`) // takes it
			p.becomes(`document.querySelector("#state")?.innerText.includes("It is yours.")`)
			p.tap(".masks summary")
			p.becomes(`document.querySelector(".masks details").open`)
			p.write(".masks [name=reason]", "refund to this account")
			p.tap(".masks form button")
			p.becomes(`document.querySelector(".revealed")?.textContent.replaceAll(" ", "") === "DE89370400440532013000"`)
			p.tap(`a[href$="/files/0"]`)
			if got := file("note.txt"); got != note {
				t.Errorf("the file is %q", got)
			}
			p.tap(`button[value=solved]`)
			p.becomes(`document.querySelector("#state [aria-pressed=true]")?.value === "solved"`)
			p.tap("[data-back]")
			p.becomes(`location.pathname === "/tickets" && document.readyState === "complete"`)
			p.tap(`a[href="/tickets?status=solved"]`)
			p.becomes(`location.search === "?status=solved" && document.querySelectorAll("#lines a").length === 1`)
			p.write("#find", "refund")
			p.tap("[role=search] button")
			p.becomes(`document.querySelector("h1")?.textContent === "Found" && document.querySelectorAll("#lines a").length === 1`)
			p.tap(".who button")
			p.becomes(`location.pathname === "/signin"`)
			if row, _, err := w.Board.Get(t.Context(), ticket); err != nil || row.Status != "solved" || row.Assignee != "agnes" {
				t.Errorf("the ticket is %s, with %q, %v", row.Status, row.Assignee, err)
			}
			if act := w.Last("reveal"); act == nil || w.Unseal(ticket, act.GetReason()) != "refund to this account" {
				t.Error("the reveal is not recorded")
			}
		})
	}
}

// What is on a telephone's header takes two rows and no more.
func TestATelephonesHeaderTakesTwoRows(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	w := desktest.New(t, func(c *desk.Config) { c.Demo = true })
	p := c.tab()
	p.size(360, 740, true)
	p.signIn(w, "omnia")
	p.open(w.Server.URL + "/tickets")
	if got := eval[float64](p, `document.querySelector("header").getBoundingClientRect().height`); got > 90 {
		t.Errorf("it is %.0f pixels high", got)
	}
	p.tap(`header a[href="/retention"]`) // the last, which is out of sight at first
	p.becomes(`location.pathname === "/retention"`)
}

// The frame is reckoned; a browser lays the same messages out. It may scroll a little, and
// must not stand there empty.
func TestTheFrameIsAboutAsHighAsWhatIsInIt(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	w := desktest.New(t)
	p := c.tab()
	p.signIn(w, "agnes")
	for name, body := range map[string]string{
		"a line": "<p>Hello</p>", "a letter": strings.Repeat("<p>"+strings.Repeat("some words of a letter ", 14)+"</p>", 6), "a newsletter": newsletter,
		"a list": "<p>We need:</p><ul>" + strings.Repeat("<li>a thing</li>", 9) + "</ul><p>Thanks</p>", "lines": strings.Repeat("<div>a line<br></div>", 25),
		"a table": "<table>" + strings.Repeat("<tr><td>"+strings.Repeat("cell ", 30)+"</td><td>one</td></tr>", 8) + "</table>",
	} {
		for _, width := range []int64{1280, 360} {
			m := rendered(t, asHTML(body))
			ticket := w.Ticket(m)
			p.size(width, 800, width < 500)
			p.open(w.Server.URL + "/tickets/" + ticket)
			frame := eval[[]float64](p, `(() => { const b = document.querySelector("iframe").getBoundingClientRect(); return [b.width, b.height] })()`)
			p.size(int64(frame[0]), 100, false)
			p.open(w.Server.URL + "/tickets/" + ticket + "/message")
			high := eval[float64](p, `document.documentElement.scrollHeight`)
			t.Logf("%s, %d wide: the frame is %.0f, its message %.0f", name, width, frame[1], high)
			if empty := frame[1] - high; empty > 40+high/4 || empty < -60-high/4 {
				t.Errorf("%s, %d wide: the frame is %.0f high, its message %.0f", name, width, frame[1], high)
			}
		}
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
	from := slices.DeleteFunc(other.referrers(), func(page string) bool { // its own page asks for an icon
		return strings.HasPrefix(page, other.server.URL+"/")
	})
	if len(from) > 0 {
		t.Errorf("the shop learns that it was opened from %q", from)
	}
}
