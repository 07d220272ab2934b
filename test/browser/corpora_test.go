package browser

import (
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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

// Unsanitized they do run, so the test above can see.
func TestThePublishedAttacksUnsanitizedRun(t *testing.T) {
	attacks := published(t)
	c := newChrome(t)
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		for _, attack := range attacks[:120] {
			fmt.Fprintf(w, "<iframe sandbox=\"allow-scripts allow-same-origin allow-modals\" srcdoc=\"%s\"></iframe>\n", html.EscapeString(attack))
		}
	}))
	defer control.Close()
	p := c.tab()
	p.open(control.URL)
	_, ran, _ := p.seen()
	dialogs := 0
	for _, line := range ran {
		if strings.HasPrefix(line, "dialog ") {
			dialogs++
		}
	}
	if outside := c.outside.pages(); dialogs < 10 || len(outside) == 0 {
		t.Errorf("%d dialogs, %d requests outside: the test above could not see", dialogs, len(outside))
	}
}
