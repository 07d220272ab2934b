package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/services/desk/desktest"
)

// published gives the attacks that two sanitizers' authors collected.
func published(t testing.TB) []string {
	t.Helper()
	files := corpora.Open(t)
	read := func(name string, into any) {
		t.Helper()
		data, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatal(err)
		}
	}
	var attacks []struct{ Payload string }
	var pairs []struct{ In string }
	read("html/dompurify-expect.json", &attacks)
	read("html/bluemonday.json", &pairs)
	if len(attacks) != 223 || len(pairs) != 547 {
		t.Fatalf("%d and %d attacks, want 223 and 547", len(attacks), len(pairs))
	}
	var all []string
	for _, attack := range attacks {
		all = append(all, attack.Payload)
	}
	for _, pair := range pairs {
		all = append(all, pair.In)
	}
	return all
}

// batch is how many stand in one message.
const batch = 35

func TestThePublishedAttacksRunNothingAndReachNothing(t *testing.T) {
	t.Parallel()
	attacks := published(t)
	c := newChrome(t)
	w := desktest.New(t)
	p := c.tab()
	p.signIn(w, "agnes")
	opened := 0
	for len(attacks) > 0 {
		now := attacks[:min(batch, len(attacks))]
		attacks = attacks[len(now):]
		m := rendered(t, asHTML("<p>Hello</p>"))
		for _, attack := range now {
			m.Message.Html += "\n<hr>\n" + rendered(t, asHTML(attack)).Message.Html
			opened++
		}
		ticket := w.Ticket(m)
		p.seen()
		p.open(w.Server.URL + "/tickets/" + ticket)
		requests, ran, blocked := p.seen()
		framed := false
		for _, address := range requests {
			framed = framed || strings.HasSuffix(address, "/message")
			if !strings.HasPrefix(address, w.Server.URL+"/") {
				t.Errorf("asks for %s", address)
			}
		}
		if !framed {
			t.Error("the message was not opened")
		}
		if len(ran) > 0 || len(blocked) > 0 {
			t.Errorf("up to attack %d: runs %q, has to be stopped from %q", opened, ran, blocked)
		}
	}
	if outside := c.outside.pages(); len(outside) > 0 {
		t.Errorf("asked outside for %q", outside)
	}
	if opened != 223+547 {
		t.Errorf("%d attacks were opened", opened)
	}
}

// Unsanitized they do, so the test above can see.
func TestThePublishedAttacksUnsanitizedRunAndReach(t *testing.T) {
	t.Parallel()
	attacks := published(t)
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		now, rules := attacks[:223], "allow-scripts allow-same-origin allow-modals"
		if r.URL.Path == "/reach" { // without scripts: a dialog would stop the rest
			now, rules = attacks[223:], ""
		}
		for _, attack := range now {
			fmt.Fprintf(w, "<iframe sandbox=\"%s\" srcdoc=\"%s\"></iframe>\n", rules, html.EscapeString(attack))
		}
	}))
	defer control.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	c := newChrome(t)
	p := c.tab()
	call(p, page.Navigate, page.NavigateParams{URL: control.URL + "/run"})
	for dialogs := 0; dialogs < 10; {
		select {
		case <-p.more:
		case <-ctx.Done():
			t.Fatalf("%d dialogs", dialogs)
		}
		_, ran, _ := p.seen()
		for _, line := range ran {
			if strings.HasPrefix(line, "dialog ") {
				dialogs++
			}
		}
	}
	c = newChrome(t)
	p = c.tab()
	call(p, page.Navigate, page.NavigateParams{URL: control.URL + "/reach"})
	for len(c.outside.pages()) == 0 {
		select {
		case <-c.outside.more:
		case <-ctx.Done():
			t.Fatal("nothing is asked for outside")
		}
	}
}
