package desk

import (
	"net"
	"net/http"

	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
)

func (web *Web) signInPage(w http.ResponseWriter, r *http.Request) {
	web.write(w, r, "signin.html", map[string]any{"Title": "Sign in"})
}

func (web *Web) signIn(w http.ResponseWriter, r *http.Request) {
	name, password := r.PostFormValue("name"), r.PostFormValue("password")
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	allowed, err := web.sessions.tries(r.Context(), name, address)
	if err != nil {
		web.fail(w, r, err)
		return
	}
	if !allowed {
		w.WriteHeader(http.StatusTooManyRequests)
		web.write(w, r, "signin.html", map[string]any{"Title": "Sign in", "Error": "Too many tries. Wait a quarter of an hour, then try again."})
		return
	}
	user, known, err := web.users.Find(name)
	if err != nil {
		web.fail(w, r, err)
		return
	}
	if !CheckPassword(user.Password, password) || !known {
		web.recordSignIn(r, name, known, "refused")
		w.WriteHeader(http.StatusUnauthorized)
		web.write(w, r, "signin.html", map[string]any{"Title": "Sign in", "Error": "Name or password is not right.", "Name": name})
		return
	}
	web.enter(w, r, user)
}

// linkPage asks for a click: programs that open every link they see must not use it up.
func (web *Web) linkPage(w http.ResponseWriter, r *http.Request) {
	web.write(w, r, "link.html", map[string]any{"Title": "Sign in", "Token": r.PathValue("token")})
}

func (web *Web) followLink(w http.ResponseWriter, r *http.Request) {
	user, ok, err := web.sessions.follow(r.Context(), r.PathValue("token"))
	if err != nil {
		web.fail(w, r, err)
		return
	}
	if !ok {
		w.WriteHeader(http.StatusGone)
		web.write(w, r, "signin.html", map[string]any{"Title": "Sign in", "Error": "This link has been used, or its time is over. Ask for a new one."})
		return
	}
	web.enter(w, r, user)
}

func (web *Web) enter(w http.ResponseWriter, r *http.Request, user User) {
	// No entry without a record.
	if err := web.recordSignIn(r, user.Name, true, "allowed"); err != nil {
		web.fail(w, r, err)
		return
	}
	if err := web.sessions.begin(r.Context(), w, user.Name); err != nil {
		web.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
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
	if err := web.sessions.end(v.w, v.Request); err != nil {
		return err
	}
	http.Redirect(v.w, v.Request, "/signin", http.StatusSeeOther)
	return nil
}
