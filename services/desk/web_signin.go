package desk

import (
	"net/http"
	"net/url"
	"regexp"

	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
)

// pagesToReturnTo are the addresses that a sign-in may lead to; anything else leads to
// the first page.
var pagesToReturnTo = regexp.MustCompile(`^/(tickets|reads|retention|originals|aside|help)(/[A-Za-z0-9._/-]{0,200})?$`)

func returnTo(address string) string {
	if pagesToReturnTo.MatchString(address) {
		return address
	}
	return "/"
}

// askToSignIn sends somebody whom we do not know to the sign-in page. A link on another
// site's page brings no cookie along (SameSite=Strict), so a visit from there asks once
// more, from a page of ours.
func (web *Web) askToSignIn(w http.ResponseWriter, r *http.Request) {
	to := returnTo(r.URL.Path)
	if r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		web.write(w, r, http.StatusOK, "continue.html", map[string]any{"Title": "One moment", "To": to, "Refresh": "0;url=" + to})
		return
	}
	if r.Method != http.MethodGet || byItself(r) {
		to = "/"
	}
	address := "/signin"
	if to != "/" {
		address += "?to=" + url.QueryEscape(to)
	}
	http.Redirect(w, r, address, http.StatusSeeOther)
}

func (web *Web) signInPage(w http.ResponseWriter, r *http.Request) {
	web.showSignIn(w, r, http.StatusOK, "", r.URL.Query().Get("to"))
}

func (web *Web) showSignIn(w http.ResponseWriter, r *http.Request, status int, sentence, to string) {
	web.write(w, r, status, "signin.html", map[string]any{
		"Title": "Sign in", "Error": sentence, "To": returnTo(to), "Name": r.PostFormValue("name"),
	})
}

func (web *Web) signIn(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		web.refuse(w, r, http.StatusBadRequest, "That is more than this form takes.")
		return
	}
	name, password, to := r.PostForm.Get("name"), r.PostForm.Get("password"), r.PostForm.Get("to")
	// Few at once: those who wait are stopped by the failures of those who went before.
	select {
	case web.signing <- struct{}{}:
		defer func() { <-web.signing }()
	case <-r.Context().Done():
		return
	}
	address := web.address(r)
	allowed, err := web.sessions.tries(r.Context(), name, address)
	if err != nil {
		web.fail(w, r, err)
		return
	}
	if !allowed {
		web.showSignIn(w, r, http.StatusTooManyRequests, "Too many tries. Wait a quarter of an hour, then try again.", to)
		return
	}
	user, known, err := web.users.Find(name)
	if err != nil {
		web.fail(w, r, err)
		return
	}
	if !CheckPassword(user.Password, password) || !known {
		if err := web.sessions.failed(r.Context(), name, address); err != nil {
			web.fail(w, r, err)
			return
		}
		_ = web.recordSignIn(r, name, known, "refused") // it is logged; the answer is no either way
		web.showSignIn(w, r, http.StatusUnauthorized, "Name or password is not right.", to)
		return
	}
	if err := web.sessions.succeeded(r.Context(), name, address); err != nil {
		web.fail(w, r, err)
		return
	}
	web.enter(w, r, user, returnTo(to))
}

// linkPage asks for a click: programs that open every link they see must not use it up.
func (web *Web) linkPage(w http.ResponseWriter, r *http.Request) {
	web.write(w, r, http.StatusOK, "link.html", map[string]any{"Title": "Sign in", "Token": r.PathValue("token")})
}

func (web *Web) followLink(w http.ResponseWriter, r *http.Request) {
	user, ok, err := web.sessions.follow(r.Context(), r.PathValue("token"))
	if err != nil {
		web.fail(w, r, err)
		return
	}
	if !ok {
		web.showSignIn(w, r, http.StatusGone, "This link has been used, or its time is over. Ask for a new one.", "")
		return
	}
	web.enter(w, r, user, "/")
}

func (web *Web) enter(w http.ResponseWriter, r *http.Request, user User, to string) {
	// No entry without a record.
	if err := web.recordSignIn(r, user.Name, true, "allowed"); err != nil {
		web.fail(w, r, err)
		return
	}
	// Whoever was signed in at this browser is not any more.
	if err := web.sessions.drop(r); err != nil {
		web.fail(w, r, err)
		return
	}
	if err := web.sessions.begin(r.Context(), w, user.Name); err != nil {
		web.fail(w, r, err)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// recordSignIn keeps the names of our own people only: what somebody else typed may
// be anything, a password included.
func (web *Web) recordSignIn(r *http.Request, name string, known bool, outcome string) error {
	if !known {
		name = "unknown"
	}
	err := web.voice.Record(r.Context(), &auditv1.Act{Actor: name, Action: "sign_in", Outcome: outcome})
	if err != nil {
		web.log.Error("sign-in not recorded", "err", err)
	}
	return err
}

func (web *Web) signOut(v *visit) error {
	if err := web.voice.Record(v.Context(), &auditv1.Act{Actor: v.user.Name, Action: "sign_out", Outcome: "allowed"}); err != nil {
		return err
	}
	if err := web.sessions.end(v.w, v.Request); err != nil {
		return err
	}
	http.Redirect(v.w, v.Request, "/signin", http.StatusSeeOther)
	return nil
}
