package desk_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/desk/desktest"
)

func TestAPasswordLetsItsOwnerIn(t *testing.T) {
	w := desktest.New(t)
	c := newClient(w, t)
	a := c.post("/signin", "name", "agnes", "password", desktest.Password)
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" {
		t.Fatalf("%d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	cookie := a.Cookies()[0]
	if len(a.Cookies()) != 1 || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Secure || len(cookie.Value) < 43 {
		t.Errorf("cookie %v", cookie)
	}
	if a := c.get("/"); a.Header.Get("Location") != "/tickets" {
		t.Errorf("first page %q", a.Header.Get("Location"))
	}
	if got := w.Acts(); !slices.Equal(got, []string{"agnes sign_in"}) {
		t.Errorf("recorded %q", got)
	}
}

func TestBehindHTTPSTheCookieIsBoundToTheHost(t *testing.T) {
	w := desktest.New(t, func(c *desk.Config) { c.BaseURL = "https://desk.example.com" })
	a := newClient(w, t).post("/signin", "name", "agnes", "password", desktest.Password)
	// RFC 6265bis §4.1.3.2: the prefix holds browsers to Secure, Path=/ and no Domain.
	if cookie := a.Cookies()[0]; cookie.Name != "__Host-postern" || !cookie.Secure || cookie.Path != "/" || cookie.Domain != "" {
		t.Errorf("cookie %v", cookie)
	}
	if a.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
}

func TestAWrongPasswordAndAnUnknownNameGetTheSameAnswer(t *testing.T) {
	w := desktest.New(t)
	disabled := desktest.People[0]
	disabled.Name, disabled.Disabled = "dora", true
	if err := w.Users.Save(disabled); err != nil {
		t.Fatal(err)
	}
	var bodies []string
	for _, try := range [][2]string{{"agnes", "not her password"}, {"nobody", "anything at all"}, {"dora", desktest.Password}, {"", ""}} {
		a := newClient(w, t).post("/signin", "name", try[0], "password", try[1])
		if a.StatusCode != http.StatusUnauthorized || len(a.Cookies()) != 0 {
			t.Errorf("%s: %d, %d cookies", try[0], a.StatusCode, len(a.Cookies()))
		}
		body := strings.ReplaceAll(a.body, `value="`+try[0]+`"`, `value=""`)
		bodies = append(bodies, strings.NewReplacer(` required autofocus`, ` required`, ` autofocus`, ``).Replace(body))
	}
	for i, body := range bodies {
		if body != bodies[0] {
			t.Errorf("answer %d differs:\n%s\n%s", i, body, bodies[0])
		}
	}
	// What an unknown person typed as a name may be a password: it is not recorded.
	want := []string{"agnes sign_in refused", "unknown sign_in refused", "unknown sign_in refused", "unknown sign_in refused"}
	if got := w.Acts(); !slices.Equal(got, want) {
		t.Errorf("recorded %q", got)
	}
}

func TestTriesAreLimitedAndComeBack(t *testing.T) {
	w := desktest.New(t, func(c *desk.Config) { c.SignInTries = 3 })
	c := newClient(w, t)
	try := func(password string) int { return c.post("/signin", "name", "agnes", "password", password).StatusCode }
	for i := range 3 {
		if got := try("wrong password"); got != http.StatusUnauthorized {
			t.Fatalf("try %d: %d", i+1, got)
		}
	}
	if got := try(desktest.Password); got != http.StatusTooManyRequests {
		t.Errorf("one past the limit: %d", got)
	}
	// Somebody else at the same address is not locked out with her.
	if a := c.post("/signin", "name", "albert", "password", desktest.Password); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a colleague: %d", a.StatusCode)
	}
	w.Pass(15 * time.Minute)
	if got := try(desktest.Password); got != http.StatusSeeOther {
		t.Errorf("a quarter of an hour later: %d", got)
	}
}

func TestRightPasswordsAreNotCountedAgainstAnybody(t *testing.T) {
	w := desktest.New(t, func(c *desk.Config) { c.SignInTries = 2 })
	for i := range 6 {
		if a := newClient(w, t).post("/signin", "name", "agnes", "password", desktest.Password); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("sign-in %d: %d", i+1, a.StatusCode)
		}
	}
}

func TestAProxyIsBelievedOnlyWhereItIsOurs(t *testing.T) {
	for _, proxies := range [][]string{nil, {"127.0.0.0/8", "::1/128"}} {
		w := desktest.New(t, func(c *desk.Config) { c.SignInTries, c.Proxies = 1, proxies })
		c := newClient(w, t)
		c.head.Set("X-Forwarded-For", "198.51.100.7, 203.0.113.1")
		c.post("/signin", "name", "agnes", "password", "wrong password")
		c.head.Set("X-Forwarded-For", "198.51.100.7, 203.0.113.2")
		want := http.StatusTooManyRequests // the same end of the connection
		if proxies != nil {
			want = http.StatusSeeOther // another client of the proxy
		}
		if a := c.post("/signin", "name", "agnes", "password", desktest.Password); a.StatusCode != want {
			t.Errorf("proxies %v: %d, want %d", proxies, a.StatusCode, want)
		}
	}
}

func TestALinkWorksOnceAndNeedsTheClick(t *testing.T) {
	w := desktest.New(t)
	link, err := w.Web.SignInLink(t.Context(), "agnes")
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(link, w.Server.URL)
	for range 3 { // programs that open every link they see
		if a := newClient(w, t).get(path); a.StatusCode != 200 || len(a.Cookies()) != 0 {
			t.Fatalf("looking: %d, %d cookies", a.StatusCode, len(a.Cookies()))
		}
	}
	c := newClient(w, t)
	if a := c.post(path); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("click: %d", a.StatusCode)
	}
	if a := c.get("/tickets"); a.StatusCode != 200 {
		t.Errorf("signed in: %d", a.StatusCode)
	}
	if a := newClient(w, t).post(path); a.StatusCode != http.StatusGone || len(a.Cookies()) != 0 {
		t.Errorf("second click: %d", a.StatusCode)
	}
	late, err := w.Web.SignInLink(t.Context(), "agnes")
	if err != nil {
		t.Fatal(err)
	}
	w.Pass(15 * time.Minute)
	if a := newClient(w, t).post(strings.TrimPrefix(late, w.Server.URL)); a.StatusCode != http.StatusGone {
		t.Errorf("late click: %d", a.StatusCode)
	}
}

func TestASessionEndsWhenNobodyUsesItAndInAnyCase(t *testing.T) {
	w := desktest.New(t) // 30 minutes idle, 12 hours at most
	c := as(w, t, "agnes")
	signedIn := func() bool { return c.get("/tickets").StatusCode == 200 }
	w.Pass(29 * time.Minute)
	if !signedIn() {
		t.Fatal("out after 29 minutes")
	}
	w.Pass(29 * time.Minute)
	if !signedIn() {
		t.Fatal("use does not keep the session")
	}
	w.Pass(30 * time.Minute)
	if signedIn() {
		t.Error("in after 30 idle minutes")
	}
	c = as(w, t, "agnes")
	for passed := time.Duration(0); passed < 12*time.Hour; passed += 20 * time.Minute {
		if !signedIn() {
			t.Fatalf("out after %v of use", passed)
		}
		w.Pass(20 * time.Minute)
	}
	if signedIn() {
		t.Error("in after 12 hours")
	}
}

func TestWhatAPageAsksByItselfDoesNotKeepASession(t *testing.T) {
	w := desktest.New(t)
	c := as(w, t, "agnes")
	w.Pass(20 * time.Minute)
	if a := c.get("/tickets?part=lines"); a.StatusCode != 200 {
		t.Fatal(a.StatusCode)
	}
	w.Pass(10 * time.Minute)
	if a := c.get("/tickets"); a.StatusCode == 200 {
		t.Error("a page that nobody sits at stays signed in")
	}
}

func TestADisabledUserIsOutAtOnce(t *testing.T) {
	w := desktest.New(t)
	c := as(w, t, "agnes")
	user, _, err := w.Users.Find("agnes")
	if err != nil {
		t.Fatal(err)
	}
	user.Disabled = true
	if err := w.Users.Save(user); err != nil {
		t.Fatal(err)
	}
	if a := c.get("/tickets"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a disabled user sees %d", a.StatusCode)
	}
	if a := newClient(w, t).post("/signin", "name", "agnes", "password", desktest.Password); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a disabled user's password: %d", a.StatusCode)
	}
}

func TestSigningOutEndsTheSessionAndSoDoesSigningInAnew(t *testing.T) {
	w := desktest.New(t)
	c := as(w, t, "agnes")
	old := c.http.Jar.Cookies(mustParse(t, c.base))
	if a := c.post("/signout"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/signin" {
		t.Errorf("%d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	for i := range 2 {
		c.http.Jar.SetCookies(mustParse(t, c.base), old)
		if a := c.get("/tickets"); a.StatusCode == 200 {
			t.Errorf("%d: the old cookie still opens pages", i)
		}
		c = as(w, t, "agnes")
		old = c.http.Jar.Cookies(mustParse(t, c.base))
		c.post("/signin", "name", "albert", "password", desktest.Password)
	}
}

func mustParse(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestNobodyEntersWithoutARecord(t *testing.T) {
	w := desktest.New(t)
	w.Mute(errAway)
	a := newClient(w, t).post("/signin", "name", "agnes", "password", desktest.Password)
	if a.StatusCode != http.StatusServiceUnavailable || len(a.Cookies()) != 0 {
		t.Errorf("%d with %d cookies", a.StatusCode, len(a.Cookies()))
	}
}

func TestSignInLeadsBackToThePageThatWasAskedFor(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	c := newClient(w, t)
	a := c.get("/tickets/" + ticket)
	if want := "/signin?to=" + url.QueryEscape("/tickets/"+ticket); a.Header.Get("Location") != want {
		t.Fatalf("sent to %q", a.Header.Get("Location"))
	}
	if a := c.get(a.Header.Get("Location")); !a.has(`name="to" value="/tickets/` + ticket + `"`) {
		t.Error("the page is forgotten")
	}
	a = c.post("/signin", "name", "agnes", "password", desktest.Password, "to", "/tickets/"+ticket)
	if a.Header.Get("Location") != "/tickets/"+ticket {
		t.Errorf("led to %q", a.Header.Get("Location"))
	}
	for _, bad := range []string{"//evil.example", "https://evil.example", `/\evil.example`, "/signout", "/tickets/../../x?y", "javascript:alert(1)", "/tickets\n"} {
		a := newClient(w, t).post("/signin", "name", "agnes", "password", desktest.Password, "to", bad)
		if a.Header.Get("Location") != "/" {
			t.Errorf("%q leads to %q", bad, a.Header.Get("Location"))
		}
	}
}

func TestALinkFromAnotherSiteIsAskedForOnceMore(t *testing.T) {
	w := desktest.New(t)
	ticket := w.Ticket(simple("Printer"))
	c := newClient(w, t) // browsers bring no strict cookie along from another site
	c.head.Set("Sec-Fetch-Site", "cross-site")
	c.head.Set("Sec-Fetch-Mode", "navigate")
	if a := c.get("/tickets/" + ticket); a.StatusCode != 200 || !a.has(`content="0;url=/tickets/`+ticket+`"`) || !a.has(`href="/tickets/`+ticket+`"`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestACompanyBehindOneAddressSignsIn(t *testing.T) {
	w := desktest.New(t, func(c *desk.Config) { c.SignInTries = 2 })
	for i := range 45 { // ten times as many as may fail, and more
		for _, name := range []string{"agnes", "lena", "petra"} {
			if a := newClient(w, t).post("/signin", "name", name, "password", desktest.Password); a.StatusCode != http.StatusSeeOther {
				t.Fatalf("%s, sign-in %d: %d", name, i+1, a.StatusCode)
			}
		}
	}
}

func TestAnAddressThatTriesManyNamesIsStopped(t *testing.T) {
	w := desktest.New(t, func(c *desk.Config) { c.SignInTries = 1 })
	try := func(name string) int {
		return newClient(w, t).post("/signin", "name", name, "password", "wrong password").StatusCode
	}
	for i := range 10 {
		if got := try(fmt.Sprint("name", i)); got != http.StatusUnauthorized {
			t.Fatalf("try %d: %d", i+1, got)
		}
	}
	if got := try("another"); got != http.StatusTooManyRequests {
		t.Errorf("one past the limit: %d", got)
	}
	w.Pass(15 * time.Minute)
	if got := try("another"); got != http.StatusUnauthorized {
		t.Errorf("a quarter of an hour later: %d", got)
	}
}
