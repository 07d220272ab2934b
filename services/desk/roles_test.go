package desk_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/desk/desktest"
)

var errAway = errors.New("away")

const certificateFile = `{"certificate":{"version":1,"certificate":"C1","plan":"P1","cause":"expiry","policy":{"name":"default","digest":"ab"},"times":{"planned":"2026-11-20T03:00:00Z","packets_removed":"2026-11-20T03:00:01Z","keys_forgotten":"2026-11-20T03:00:02Z","checked":"2026-11-20T03:00:03Z"},"salt":"00","items":[{"item":"` +
	`0123456789abcdef0123456789abcdef","layer":"raw","keys":"gone","ciphertext":"gone","versions":1}],"buckets":[{"bucket":"standard.raw.20261119.1"}],"cell":{"kind":"file","generation":7,"limits":"Flash may keep blocks."},"checks":[{"code":"objects_listed","count":1,"result":"none left"}],"issuer":"k1","issued":"2026-11-20T03:00:04Z"},"signature":"c2ln"}` + "\n"

func TestEveryRouteOpensForItsRolesOnly(t *testing.T) {
	w := desktest.New(t, func(c *desk.Config) { c.Demo = true })
	ticket := w.Ticket(rich("Printer"))
	w.Certify("C1", certificateFile)
	aside, other := w.SetAside("killed_worker", "scan"), w.SetAside("oversize", "ingest")
	const agent, lead, privacy, auditor, admin = "agnes", "lena", "petra", "aude", "adam"
	all := []string{agent, lead, privacy, auditor, admin, "nora"}
	readers := []string{agent, lead}
	at := "/tickets/" + ticket
	routes := []struct {
		method, path string
		fields       []string
		who          []string
	}{
		{"GET", "/tickets", nil, readers},
		{"POST", "/search", []string{"q", "printer"}, readers},
		{"GET", "/help", nil, all},
		{"GET", at, nil, readers},
		{"GET", at + "/message", nil, readers},
		{"GET", at + "/files/0", nil, readers},
		{"GET", at + "/files/0/look", nil, readers},
		{"POST", at + "/status", []string{"status", "pending"}, readers},
		{"POST", at + "/assignee", []string{"assignee", ""}, []string{lead}},
		{"POST", at + "/reveal", []string{"value", "0", "reason", "refund to this account"}, readers},
		{"GET", at + "/reveal", nil, readers},
		{"GET", at + "/original", nil, readers},
		{"HEAD", "/events", nil, readers},
		{"GET", "/originals", nil, []string{lead, privacy}},
		{"GET", at + "/reads", nil, []string{lead, privacy, auditor}},
		{"POST", at + "/reasons", nil, []string{lead, privacy, auditor}},
		{"GET", "/reads", nil, []string{privacy, auditor}},
		{"GET", "/aside", nil, []string{lead, privacy, auditor, admin}},
		{"GET", "/aside/" + aside, nil, []string{lead, privacy, auditor, admin}},
		{"GET", "/aside/" + aside + "/original", nil, []string{lead}},
		{"POST", "/aside/" + aside + "/original", []string{"why", "law"}, []string{lead}},
		{"GET", "/aside/" + other + "/delete", nil, []string{lead, privacy}},
		{"POST", "/aside/retry", []string{"code", "killed_worker"}, []string{lead, admin}},
		{"GET", "/retention", nil, []string{privacy, auditor, admin}},
		{"GET", "/retention/certificates/C1", nil, []string{privacy, auditor, admin}},
		{"GET", "/retention/certificates/C1?as=page", nil, []string{privacy, auditor, admin}},
		{"POST", at + "/hold", []string{"reason", "a court asks"}, []string{privacy}},
		{"POST", at + "/release", []string{"hold", "H1"}, []string{privacy}},
		{"POST", "/demo/advance", []string{"by", "1d"}, []string{admin}},
		{"POST", "/signout", nil, all},
	}
	for _, name := range all {
		c := as(w, t, name)
		for _, route := range routes {
			a := answer{}
			if route.method != "POST" {
				a = c.do(route.method, route.path, nil)
			} else {
				a = c.post(route.path, route.fields...)
			}
			may := false
			for _, who := range route.who {
				may = may || who == name
			}
			if may != (a.StatusCode == 200 || a.StatusCode == 303) || !may && a.StatusCode != 403 {
				t.Errorf("%s, %s %s: %d", name, route.method, route.path, a.StatusCode)
			}
			if !may && (a.has("erika") || a.has("Printer") || a.has("does not work")) {
				t.Errorf("%s, %s %s: the refusal shows the mail", name, route.method, route.path)
			}
		}
	}
	// And nobody gets anywhere without having signed in.
	for _, route := range routes {
		a := newClient(w, t).do(route.method, route.path, nil)
		if a.StatusCode != 303 || !strings.HasPrefix(a.Header.Get("Location"), "/signin") {
			t.Errorf("stranger, %s %s: %d to %q", route.method, route.path, a.StatusCode, a.Header.Get("Location"))
		}
	}
}

func TestEachRoleHasAFirstPageOfItsOwn(t *testing.T) {
	w := desktest.New(t)
	for name, want := range map[string]string{
		"agnes": "/tickets", "lena": "/tickets", "petra": "/retention", "aude": "/reads", "adam": "/retention", "omnia": "/tickets",
	} {
		if a := as(w, t, name).get("/"); a.Header.Get("Location") != want {
			t.Errorf("%s: %q", name, a.Header.Get("Location"))
		}
	}
	if a := as(w, t, "nora").get("/"); a.StatusCode != http.StatusForbidden {
		t.Errorf("somebody without a role: %d", a.StatusCode)
	}
}

func TestAnotherSitesPageCanChangeNothing(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	path := "/tickets/" + ticket + "/status"
	for name, head := range map[string]http.Header{
		"cross-site":                  {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}},
		"another host beside us":      {"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://other.example"}},
		"an older browser":            {"Origin": {"https://evil.example"}},
		"a sandboxed frame":           {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"null"}},
		"a frame of an older browser": {"Origin": {"null"}},
	} {
		c := as(w, t, "agnes")
		c.head = head
		if a := c.post(path, "status", "solved"); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
		if a := newClient(w, t); true { // signing somebody in from elsewhere, too
			a.head = head
			if got := a.post("/signin", "name", "agnes", "password", desktest.Password); got.StatusCode != http.StatusForbidden {
				t.Errorf("%s, sign-in: %d", name, got.StatusCode)
			}
		}
	}
	row, _, err := w.Board.Get(t.Context(), ticket)
	if err != nil || row.Status != desk.Open {
		t.Errorf("the ticket is %s, %v", row.Status, err)
	}
	c := as(w, t, "agnes")
	c.head = http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {w.Server.URL}}
	if a := c.post(path, "status", "solved"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("our own page: %d", a.StatusCode)
	}
}

func TestEveryPageHasItsPolicies(t *testing.T) {
	w := desktest.New(t, func(c *desk.Config) { c.Demo = true })
	ticket := w.Ticket(rich("Printer"))
	w.Certify("C1", certificateFile)
	w.SetAside("killed_worker", "scan")
	c := as(w, t, "omnia")
	at := "/tickets/" + ticket
	pages := []string{"/tickets", at, at + "/reads", at + "/original", "/originals", "/reads", "/aside", "/retention", "/retention/certificates/C1?as=page", "/signin", "/link/x", "/nowhere", "/tickets/T00000000000000000000"}
	for _, path := range append(pages, at+"/message", at+"/files/0", "/retention/certificates/C1") {
		for _, method := range []string{"GET", "HEAD"} {
			a := c.do(method, path, nil)
			policy := a.Header.Get("Content-Security-Policy")
			if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe-eval") || strings.Contains(policy, "script-src 'unsafe") {
				t.Errorf("%s %s: policy %q", method, path, policy)
			}
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"} {
				if got := a.Header.Get(name); got != want {
					t.Errorf("%s %s: %s %q", method, path, name, got)
				}
			}
			if method == "HEAD" && a.body != "" {
				t.Errorf("HEAD %s has a body", path)
			}
		}
	}
	for _, path := range pages {
		a := c.get(path)
		if got := a.Header.Get("Content-Security-Policy"); !strings.Contains(got, "script-src 'self'") || !strings.Contains(got, "frame-ancestors 'none'") || strings.Contains(got, "unsafe") {
			t.Errorf("%s: policy %q", path, got)
		}
		if a.has("<script>") || a.has(" style=") || a.has(" onclick=") || a.has("javascript:") || a.has("ZgotmplZ") {
			t.Errorf("%s: something inline stands in the page", path)
		}
		if a.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: type %q", path, a.Header.Get("Content-Type"))
		}
	}
	frame := c.get(at + "/message").Header.Get("Content-Security-Policy")
	if strings.Contains(frame, "script-src") || strings.Contains(frame, "allow-scripts") || strings.Contains(frame, "allow-same-origin") || !strings.Contains(frame, "sandbox ") || !strings.Contains(frame, "img-src data:;") {
		t.Errorf("frame: policy %q", frame)
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	w := desktest.New(t)
	c := as(w, t, "omnia")
	for path, want := range map[string]int{
		"/nowhere": 404, "/tickets/T00000000000000000000": 404, "/tickets/x": 404, "/tickets/T00000000000000000000/message": 404,
		"/retention/certificates/C9": 404, "/static/": 404, "/static/secret": 404, "/originals/T00000000000000000000": 404,
		"/favicon.ico": 302, "/robots.txt": 200, "/tickets/%2e%2e/x": 404,
	} {
		if a := c.get(path); a.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, a.StatusCode, want)
		}
	}
	if a := c.post("/nowhere"); a.StatusCode != 404 {
		t.Errorf("POST: %d", a.StatusCode)
	}
}

func TestOurOwnFilesAreKeptByBrowsersForAsLongAsTheyStayTheSame(t *testing.T) {
	w := desktest.New(t)
	c := newClient(w, t)
	page := c.get("/signin").body
	for _, name := range []string{"desk.css", "desk.js", "icon.svg"} {
		at := strings.Index(page, "/static/"+name+"?v=")
		if at < 0 {
			t.Fatalf("%s is not in the page", name)
		}
		address, _, _ := strings.Cut(page[at:], `"`)
		a := c.get(address)
		if a.StatusCode != 200 || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %q", address, a.StatusCode, a.Header.Get("Cache-Control"))
		}
		if a := c.get("/static/" + name); a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s without its version is kept: %q", name, a.Header.Get("Cache-Control"))
		}
		if a := c.do("HEAD", address, nil); a.StatusCode != 200 || a.body != "" {
			t.Errorf("HEAD %s: %d", address, a.StatusCode)
		}
	}
}

func TestAFormThatIsTooLargeIsRefused(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(rich("Printer"))
	c := as(w, t, "agnes")
	long := url.Values{"value": {"0"}, "reason": {strings.Repeat("x", 65<<10)}}
	if a := c.do("POST", "/tickets/"+ticket+"/reveal", long); a.StatusCode < 400 || a.StatusCode >= 500 {
		t.Errorf("reveal: %d", a.StatusCode)
	}
	if a := newClient(w, t).do("POST", "/signin", long); a.StatusCode != http.StatusBadRequest {
		t.Errorf("sign-in: %d", a.StatusCode)
	}
	if w.Last("reveal") != nil {
		t.Error("something was revealed")
	}
}

func TestNothingThatACustomerWroteGetsIntoTheLog(t *testing.T) {
	w := desktest.New(t)
	mail := rich("MARKER subject")
	mail.Card.FromName, mail.Card.FromAddress, mail.Card.Snippet = "MARKER name", "MARKER@example.org", "MARKER snippet"
	mail.Message.Text, mail.Message.Html = "MARKER text", "<p>MARKER html</p>"
	mail.Message.Attachments[0].Name = "MARKER.pdf"
	mail.Message.Sender = []byte(`{"verdict":MARKER`) // evidence that cannot be read
	broken := w.Ticket(mail)
	mail.Message.Sender = []byte(`{"verdict":"MARKER","dmarc":"MARKER"}`)
	mail.Stored = true
	wrongly := w.Ticket(mail)
	mail.Message.Sender = nil
	fine := w.Ticket(mail)
	c := as(w, t, "omnia")
	c.get("/tickets")
	for _, ticket := range []string{broken, wrongly, fine} {
		at := "/tickets/" + ticket
		for _, path := range []string{"", "/message", "/files/0", "/files/1", "/files/x", "/reads", "/original", "/MARKER"} {
			c.get(at + path + "?MARKER=MARKER")
		}
		c.post(at+"/reveal", "value", "MARKER", "reason", "MARKER reason")
		c.post(at+"/reveal", "value", "0", "reason", "MARKER reason")
		c.post(at+"/status", "status", "MARKER")
		c.post(at+"/assignee", "assignee", "MARKER")
	}
	w.Shut(errAway)
	c.get("/tickets/" + fine)
	c.get("/tickets")
	w.Shut(nil)
	w.Mute(errAway)
	c.get("/tickets/" + fine)
	newClient(w, t).post("/signin", "name", "MARKER", "password", "MARKER")
	log := w.Log.String()
	if strings.Contains(log, "MARKER") {
		t.Errorf("the log holds a customer's words:\n%s", log)
	}
	if strings.Count(log, "page failed") < 3 {
		t.Errorf("the log tells of %d failures:\n%s", strings.Count(log, "page failed"), log)
	}
	if !strings.Contains(log, "page failed") || strings.Contains(log, ticketIn(fine)) {
		t.Errorf("the log names pages by their pattern:\n%s", log)
	}
}

func ticketIn(id string) string { return "/tickets/" + id }

func TestAStreamOfEventsAnswersHead(t *testing.T) {
	w := desktest.New(t)
	if a := as(w, t, "agnes").do("HEAD", "/events", nil); a.StatusCode != 200 || a.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d %q", a.StatusCode, a.Header.Get("Content-Type"))
	}
}

func TestSomebodyWhoListensHearsThatSomethingChangedAndNotWhat(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	c := as(w, t, "agnes")
	request, err := http.NewRequestWithContext(t.Context(), "GET", c.base+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	read := func(until string) string {
		t.Helper()
		var heard strings.Builder
		buffer := make([]byte, 256)
		for !strings.Contains(heard.String(), until) {
			n, err := response.Body.Read(buffer)
			heard.Write(buffer[:n])
			if err != nil {
				t.Fatalf("%q: %v", heard.String(), err)
			}
		}
		return heard.String()
	}
	read(": hello\n\n")
	other := as(w, t, "albert")
	if a := other.post("/tickets/"+ticket+"/status", "status", "solved"); a.StatusCode != 303 {
		t.Fatal(a.StatusCode)
	}
	heard := read("event: changed")
	if strings.Contains(heard, ticket) || strings.Contains(heard, "solved") || strings.Contains(heard, "Printer") {
		t.Errorf("heard %q", heard)
	}
	// Signed out, the stream ends with the next thing that it would have said.
	c.post("/signout")
	if a := other.post("/tickets/"+ticket+"/status", "status", "open"); a.StatusCode != 303 {
		t.Fatal(a.StatusCode)
	}
	rest, err := io.ReadAll(response.Body)
	if err != nil || strings.Count(string(rest), "changed") > 1 {
		t.Errorf("after signing out: %q, %v", rest, err)
	}
}

func TestNobodyKeepsOthersFromListening(t *testing.T) {
	w := desktest.New(t)
	listen := func(c *client) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), "GET", c.base+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		return response
	}
	agnes := as(w, t, "agnes")
	for i := range 20 {
		if got := listen(agnes).StatusCode; got != 200 {
			t.Fatalf("listener %d: %d", i+1, got)
		}
	}
	if got := listen(agnes).StatusCode; got != http.StatusTooManyRequests {
		t.Errorf("one past the limit: %d", got)
	}
	if got := listen(as(w, t, "albert")).StatusCode; got != 200 {
		t.Errorf("somebody else: %d", got)
	}
}

func TestDrainingEndsEveryStream(t *testing.T) {
	w := desktest.New(t)
	c := as(w, t, "agnes")
	request, err := http.NewRequestWithContext(t.Context(), "GET", c.base+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	w.Web.Drain()
	if _, err := io.ReadAll(response.Body); err != nil {
		t.Error(err)
	}
	if a := c.get("/events"); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after draining: %d", a.StatusCode)
	}
}
