package promise4

import (
	"bytes"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/test/program"
)

const (
	view = itemv1.LayerKind_LAYER_KIND_VIEW
	pii  = itemv1.LayerKind_LAYER_KIND_PII
	mime = itemv1.LayerKind_LAYER_KIND_RAW
)

var (
	file     = regexp.MustCompile(`href="(/tickets/[^"]+/files/\d+)"`)
	value    = regexp.MustCompile(`name="value" value="(\d+)"`)
	wishForm = regexp.MustCompile(`name="wish" value="([^"]+)"`)
)

func TestNobodyReadsWithoutARecord(t *testing.T) {
	h := newHouse(t)
	t.Run("workers", func(t *testing.T) { h.workersAreRecorded(t) })
	t.Run("people", func(t *testing.T) { h.peopleAreRecorded(t) })
	t.Run("nothing while the log cannot be written", func(t *testing.T) { h.shutLogShowsNothing(t) })
	h.guard.mu.Lock()
	defer h.guard.mu.Unlock()
	if len(h.guard.early) > 0 {
		t.Errorf("keys left before their entries were in the log: %v", h.guard.early)
	}
	for _, purpose := range []string{"verify", "scan", "sanitize", "read", "reveal", "breakglass"} {
		if h.guard.answered[purpose] == 0 {
			t.Errorf("no key was given for %s: nothing is shown about it", purpose)
		}
	}
}

// workersAreRecorded finds, for each mail, the three who opened it on its way.
func (h *house) workersAreRecorded(t *testing.T) {
	said := h.told(t, nil)
	for name, record := range h.records {
		for _, worker := range []string{"verify", "scan", "sanitize"} {
			if !slices.ContainsFunc(said, func(act *auditv1.Act) bool {
				return act.GetAction() == "open" && act.GetActor() == "worker:"+worker && act.GetPurpose() == worker &&
					act.GetLayer() == mime && act.GetOutcome() == "allowed" && has(act, record.GetItem())
			}) {
				t.Errorf("that %s opened %s is not in the log", worker, name)
			}
		}
	}
}

// A deed is what a person does to see a customer's words.
type deed struct {
	name string
	mail string
	do   func(t *testing.T) (words string)
	// what its entry must say
	who, action, purpose string
	layer                itemv1.LayerKind
}

// peopleAreRecorded does all by which a person comes to a customer's words, one after
// another, and looks at once what the log says of it.
func (h *house) peopleAreRecorded(t *testing.T) {
	const wanted, needed = "the customer asked me to refund this card", "their lawyer doubts that this is what they wrote"
	demo := fleet.DemoUser
	deeds := []deed{
		{"the list", "where-is-my-order", func(t *testing.T) string { return h.agent.Opened(t, "/tickets") }, demo, "open", "read", view},
		{"a ticket", "where-is-my-order", func(t *testing.T) string { return h.agent.Opened(t, h.page("where-is-my-order")) }, demo, "open", "read", view},
		{"a message", "where-is-my-order", func(t *testing.T) string {
			return h.agent.Opened(t, h.page("where-is-my-order")+"/message?as=text")
		}, demo, "open", "read", view},
		{"a message as HTML", "newsletter", func(t *testing.T) string { return h.agent.Opened(t, h.page("newsletter")+"/message") }, demo, "open", "read", view},
		{"a file", "pdf-and-photo", func(t *testing.T) string {
			link := file.FindStringSubmatch(h.agent.Opened(t, h.page("pdf-and-photo")))
			if link == nil {
				t.Fatal("the ticket offers no file")
			}
			return h.agent.Opened(t, link[1])
		}, demo, "open", "read", view},
		{"a masked value", "card-number", func(t *testing.T) string {
			mask := value.FindStringSubmatch(h.agent.Opened(t, h.page("card-number")))
			if mask == nil {
				t.Fatal("the ticket offers no masked value")
			}
			return h.posted(t, h.agent, h.page("card-number")+"/reveal", url.Values{"value": {mask[1]}, "reason": {wanted}})
		}, demo, "reveal", "reveal", pii},
		{"the reason for an original", "two-authors", func(t *testing.T) string {
			h.posted(t, h.agent, h.page("two-authors")+"/original", url.Values{"reason": {needed}})
			return h.lead.Opened(t, strings.Replace(h.page("two-authors"), "/tickets/", "/originals/", 1))
		}, theLead, "open", "read", view},
		{"an original", "two-authors", func(t *testing.T) string {
			review := strings.Replace(h.page("two-authors"), "/tickets/", "/originals/", 1)
			wish := wishForm.FindStringSubmatch(h.lead.Opened(t, review))
			if wish == nil {
				t.Fatal("the lead has nothing to decide")
			}
			h.posted(t, h.lead, review, url.Values{"wish": {wish[1]}, "decision": {"approve"}})
			return h.posted(t, h.agent, h.page("two-authors")+"/original/file", nil)
		}, demo, "breakglass", "breakglass", mime},
	}
	for _, d := range deeds {
		t.Run(d.name, func(t *testing.T) {
			before := h.mark(t)
			if d.do(t) == "" {
				t.Error("nothing was shown: nothing is proven")
			}
			item := h.records[d.mail].GetItem()
			said := h.told(t, before)
			if !slices.ContainsFunc(said, func(act *auditv1.Act) bool {
				return act.GetActor() == d.who && act.GetAction() == d.action && act.GetPurpose() == d.purpose &&
					act.GetLayer() == d.layer && act.GetOutcome() == "allowed" && has(act, item)
			}) {
				t.Errorf("the log says nothing of it; it says %v", said)
			}
		})
	}
	t.Run("an approval names who gave it", func(t *testing.T) {
		if !slices.ContainsFunc(h.told(t, nil), func(act *auditv1.Act) bool {
			return act.GetActor() == theLead && act.GetAction() == "approve" && act.GetPurpose() == "breakglass" && has(act, h.records["two-authors"].GetItem())
		}) {
			t.Error("the log names nobody")
		}
	})
	t.Run("reasons are sealed", func(t *testing.T) {
		sealed := 0
		for _, act := range h.told(t, nil) {
			data, err := proto.Marshal(act)
			if err != nil {
				t.Fatal(err)
			}
			if len(act.GetReason()) > 0 {
				sealed++
			}
			if bytes.Contains(data, []byte(wanted)) || bytes.Contains(data, []byte(needed)) {
				t.Errorf("a reason is readable in the log: %v", act)
			}
		}
		if sealed < 2 {
			t.Errorf("%d acts have a reason, want the one of the value and the one of the original", sealed)
		}
	})
	t.Run("whoever may know sees them", func(t *testing.T) {
		for name, who := range map[string]string{"card-number": demo, "two-authors": theLead} {
			if page := h.agent.Opened(t, h.page(name)+"/reads"); !strings.Contains(page, who) {
				t.Errorf("%s does not stand among the readers of %s", who, name)
			}
		}
	})
}

func (h *house) posted(t *testing.T, who *program.Browser, path string, form url.Values) string {
	t.Helper()
	status, text := who.Post(t, path, form)
	if status != http.StatusOK {
		t.Fatalf("%s answers %d: %s", path, status, text)
	}
	return text
}

// shutLogShowsNothing asks for everything while the keyring cannot write the log, and
// then again.
func (h *house) shutLogShowsNothing(t *testing.T) {
	paths, words := h.wordsOf(t, "where-is-my-order")
	h.guard.shut.Store(true)
	showsNothing(t, h.agent, paths, words)
	status, text := h.agent.Post(t, h.page("card-number")+"/reveal", url.Values{"value": {"0"}, "reason": {"refund to this card"}})
	if status == http.StatusOK || strings.Contains(strings.ReplaceAll(text, " ", ""), "4111111111111111") {
		t.Errorf("a value is revealed: %d", status)
	}
	h.guard.shut.Store(false)
	showsAll(t, h.agent, paths, words)
}

// wordsOf gives the pages that show a mail, and what each shows of it.
func (h *house) wordsOf(t *testing.T, name string) (paths, words []string) {
	t.Helper()
	return wordsOf(t, h.page(name), h.raw(name))
}

func wordsOf(t *testing.T, page string, raw []byte) (paths, words []string) {
	t.Helper()
	message, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	subject := message.Header.Get("Subject")
	return []string{"/tickets", page, page + "/message?as=text"}, []string{subject, subject, "whether I may fetch it myself?"}
}

func showsNothing(t *testing.T, agent *program.Browser, paths, words []string) {
	t.Helper()
	for i, path := range paths {
		if status, text := agent.Get(t, path); strings.Contains(text, words[i]) {
			t.Errorf("%s shows a customer's words: %d", path, status)
		}
	}
}

// showsAll shows that the words are there to be found.
func showsAll(t *testing.T, agent *program.Browser, paths, words []string) {
	t.Helper()
	for i, path := range paths {
		program.Until(t, path+" shows the mail", func() bool {
			status, text := agent.Get(t, path)
			return status == http.StatusOK && strings.Contains(text, words[i])
		})
	}
}
