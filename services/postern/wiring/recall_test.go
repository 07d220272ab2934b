package wiring_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/clam"
	"github.com/postern-mail/postern/pkg/clam/clamtest"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/event"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// install puts rules where clamd has its signatures, as it is done where it is deployed, has it load them,
// and gives the version of its signatures.
func install(t *testing.T, rules string, server *clamtest.Server) string {
	t.Helper()
	command := exec.Command("../../../deploy/clamav/rules", rules, server.Folder)
	command.Env = append(os.Environ(), "RULES_SETTLE=0")
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	server.Reload(t)
	client, err := clam.New(server.Address, clam.Options{})
	if err != nil {
		t.Fatal(err)
	}
	version, err := client.Signatures(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// mailWith is a mail with two attachments, one of which says something.
func mailWith(said string) []byte {
	part := func(name, content string) string {
		return "--b\r\nContent-Type: application/octet-stream; name=" + name + "\r\nContent-Disposition: attachment; filename=" + name +
			"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(content)) + "\r\n"
	}
	return []byte("From: Jana Vogel <jana@customer.example>\r\nTo: support@company.example\r\nSubject: two notes\r\nDate: Mon, 02 Feb 2026 10:00:00 +0000\r\n" +
		"Message-ID: <two-notes@customer.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nPlease see both notes.\r\n" + part("first.txt", "a note: "+said+"\r\n") + part("second.txt", "nothing of interest\r\n") + "--b--\r\n")
}

// A reader is somebody who is signed in at the desk of a process.
type reader struct {
	client http.Client
	origin string
}

func (r *running) signIn(t *testing.T, name string) *reader {
	t.Helper()
	web, err := r.Desk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(web.Handler())
	t.Cleanup(server.Close)
	link, err := desk.NewLink(t.Context(), r.Config.Desk, r.Model.Short(), name)
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	someone := &reader{http.Client{Jar: jar}, server.URL}
	response, err := someone.client.PostForm(server.URL+address.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return someone
}

func (r *reader) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	response, err := r.client.Get(r.origin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, html.UnescapeString(string(content))
}

// behind counts the tickets with files that were not judged with a version.
func behind(records map[string]*itemv1.Record, version string) (behind, all int) {
	for _, record := range records {
		if judged, files := event.JudgedWith(record); files {
			all++
			if judged != version {
				behind++
			}
		}
	}
	return behind, all
}

// until waits until no ticket with files was judged with another version.
func (r *running) judgedWith(t *testing.T, version string) (records map[string]*itemv1.Record) {
	t.Helper()
	until(t, "every file is judged with "+version, func(ctx context.Context) (done bool, err error) {
		if records, err = r.records(ctx); err != nil {
			return false, err
		}
		left, all := behind(records, version)
		if left > 0 {
			err = fmt.Errorf("%d of %d are not", left, all)
		}
		return left == 0 && all > 3, err
	})
	return records
}

// acts reads who did something to an item.
func (r *running) acts(t *testing.T, item, action string) (all []string) {
	t.Helper()
	for message, err := range r.tool(t, "desk").Conn.Scan(t.Context(), topology.Audit, 1) {
		if err != nil {
			t.Fatal(err)
		}
		_, said, err := event.Open(message.Subject, message.Data)
		if err != nil {
			t.Fatal(err)
		}
		entry, ok := said.(*auditv1.Entry)
		if !ok {
			continue
		}
		for _, act := range entry.GetActs() {
			if act.GetAction() == action && len(act.GetItems()) == 1 && act.GetItems()[0] == item {
				all = append(all, fmt.Sprintf("%s %d %s", act.GetActor(), act.GetValue(), act.GetOutcome()))
			}
		}
	}
	return all
}

// What agents could open is judged anew when signatures change, also where the process ends in the middle of
// it; what does not pass any more is not handed out, and stays so when the signature goes again.
func TestAFileThatNewerSignaturesDoNotPassIsNotHandedOutAnyMore(t *testing.T) {
	server, rules := clamtest.Run(t, map[string]string{"IdleTimeout": "1"}), t.TempDir()
	before := install(t, rules, server)
	w := newWorld(t)
	w.change = func(c *wiring.Config) {
		c.Clamd.Address, c.Scan.Pace, c.Scan.Patience = server.Address, 4, config.Duration(0)
	}
	if err := w.box.Append(mailWith("the heron of 7731")); err != nil {
		t.Fatal(err)
	}
	r := w.start(t)
	if err := desk.NewDirectory(r.Config.Desk.UsersFile).Save(desk.User{Name: "lena", Roles: []desk.Role{desk.Agent, desk.Lead}}); err != nil {
		t.Fatal(err)
	}
	r.settled(t, len(w.box.Mails())+1)
	records := r.judgedWith(t, before)
	item := ""
	for id, record := range records {
		if item == "" || record.GetUid() > records[item].GetUid() {
			item = id
		}
	}
	ticket := "/tickets/" + event.Ticket(item)
	lena := r.signIn(t, "lena")
	until(t, "the ticket shows", func(context.Context) (bool, error) {
		status, page := lena.get(t, ticket)
		return status == http.StatusOK && strings.Contains(page, `aria-label="Download first.txt"`), nil
	})
	if status, content := lena.get(t, ticket+"/files/0"); status != http.StatusOK || content != "a note: the heron of 7731\r\n" {
		t.Fatalf("before: %d %q", status, content)
	}
	r.stop()

	rule := "rule Heron { strings: $a = \"heron of 7731\" condition: $a }\n"
	if err := os.WriteFile(filepath.Join(rules, "heron.yar"), []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	after := install(t, rules, server)
	r = w.start(t)
	until(t, "some files are judged anew", func(ctx context.Context) (bool, error) {
		records, err := r.records(ctx)
		left, all := behind(records, after)
		return err == nil && left < all, err
	})
	r.stop() // in the middle
	r = w.start(t)
	record := r.judgedWith(t, after)[item]
	if len(record.GetRecalled()) != 1 || record.GetRecalled()[0].GetVerdict() != "infected" || record.GetRecalled()[0].GetSignatures() != after {
		t.Fatalf("recalled is %v", record.GetRecalled())
	}
	for id, other := range r.judgedWith(t, after) {
		if id != item && len(other.GetRecalled()) > 0 {
			t.Errorf("item %s: recalled is %v", id, other.GetRecalled())
		}
	}
	lena = r.signIn(t, "lena")
	check := func(when string) {
		status, page := lena.get(t, ticket)
		for _, words := range []string{"“first.txt” is not handed out any more", "YARA.Heron.UNOFFICIAL", "Downloaded before by lena", `aria-label="Download second.txt"`} {
			if status != http.StatusOK || !strings.Contains(strings.NewReplacer("<bdi>", "", "</bdi>", "").Replace(page), words) {
				t.Errorf("%s: %d, the page lacks %q", when, status, words)
			}
		}
		if strings.Contains(page, `aria-label="Download first.txt"`) {
			t.Errorf("%s: the page offers it", when)
		}
		if status, content := lena.get(t, ticket+"/files/0"); status != http.StatusForbidden || strings.Contains(content, "heron") {
			t.Errorf("%s: %d %q", when, status, content)
		}
		if status, content := lena.get(t, ticket+"/files/1"); status != http.StatusOK || content != "nothing of interest\r\n" {
			t.Errorf("%s: the other: %d %q", when, status, content)
		}
	}
	check("recalled")
	until(t, "the board knows", func(ctx context.Context) (bool, error) {
		rows, err := r.rows(ctx)
		return len(rows[event.Ticket(item)].Recalled) == 1, err
	})
	if got := r.acts(t, item, "recall"); len(got) != 1 || got[0] != "worker:scan 0 allowed" {
		t.Errorf("recalls in the log: %q", got)
	}
	if got := r.acts(t, item, "download"); len(got) != 3 || got[0] != "lena 0 allowed" || got[1] != "lena 0 recalled" || got[2] != "lena 1 allowed" {
		t.Errorf("downloads in the log: %q", got)
	}
	r.stop()

	if err := os.Remove(filepath.Join(rules, "heron.yar")); err != nil {
		t.Fatal(err)
	}
	if again := install(t, rules, server); again != before {
		t.Fatalf("without the rule: %s, before %s", again, before)
	}
	r = w.start(t)
	r.judgedWith(t, before)
	lena = r.signIn(t, "lena")
	check("when the rule is gone")
}
