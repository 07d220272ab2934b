package story

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/test/program"
)

// In one process, services/postern/wiring tells the same story. Here somebody presses the
// desk's button, and three processes with three credentials do it: the desk may only wish,
// retention plans, the keyring takes the keys.
func TestInAFleetAMailThatIsSetAsideIsDestroyedOnTheDesksWish(t *testing.T) {
	f := program.Fleet(t, fleet.Options{Log: t.Output(), Change: func(_ string, config fleet.Section) {
		fleet.Below(config, "ingest")["max_size"] = "64KiB"
	}})
	t.Cleanup(func() {
		for _, name := range fleet.Services() {
			program.Complain(t, f.LogFile(name))
		}
	})
	large := "From: marge@customer.example\r\nSubject: large\r\n\r\n" + strings.Repeat("The lamp is broken, what now?\r\n", 5000)
	if err := f.Append(program.Context(t), fleet.Mail{Raw: []byte(large), Came: time.Now()}); err != nil {
		t.Fatal(err)
	}
	record := onlyOne(t, f, itemv1.State_STATE_SET_ASIDE)
	if len(files(t, f.Folder("s3"), record.GetItem())) == 0 {
		t.Fatal("the search for its objects cannot see them")
	}
	link, err := f.Link(program.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	somebody, page := program.SignIn(t, link), "/aside/"+record.GetItem()
	form := url.Values{"why": {"spam"}, "reference": {"CASE-7"}, "sure": {"yes"}}
	if status, _ := somebody.Post(t, page+"/delete", form); status != http.StatusOK {
		t.Fatalf("the wish is answered with %d", status)
	}
	program.Until(t, "its keys are taken", func() bool {
		return strings.Contains(somebody.Opened(t, page), "Its keys are taken")
	})

	// Keys of the day on which it came are given up once that day and its grace are over.
	if err := f.Advance(program.Context(t), 3*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	out, err := f.Command(program.Context(t), "retain", "retention", "run", "--wait", "2m")
	if err != nil {
		t.Fatal(out, err)
	}
	if gone := onlyOne(t, f, itemv1.State_STATE_TOMBSTONE); gone.GetItem() != record.GetItem() {
		t.Errorf("destroyed is %v", gone)
	}
	program.Until(t, "the desk names its certificate", func() bool {
		return strings.Contains(somebody.Opened(t, page), "Nothing anywhere opens it any more. Certificate ")
	})
	if left := files(t, f.Folder("s3"), record.GetItem()); len(left) > 0 {
		t.Errorf("objects of it are left: %q", left)
	}
}
