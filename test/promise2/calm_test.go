// Package promise2 tests the second promise: nothing readable at rest. Mails that hold
// marker words in every place that a mail has run through a fleet on real servers; then
// every file that the servers and services wrote is searched for the words, in every form.
// The customer's own mailbox, from which the mails come, is no part of it.
package promise2

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/test/program"
	"github.com/postern-mail/postern/test/search"
)

func TestNothingReadableIsAtRest(t *testing.T) {
	p := start(t, fleet.Options{})
	sent := mails(t)
	if err := p.fleet.Append(program.Context(t), delivered(sent)...); err != nil {
		t.Fatal(err)
	}
	records, err := p.fleet.WaitSettled(program.Context(t), len(sent))
	if err != nil {
		t.Fatal(err)
	}
	agentsReadAll(t, p.fleet, records)
	keepsCustomers(t, p.fleet)
	p.scrape(t)
	p.empty(t, "while all runs")
	if _, err := p.fleet.Command(program.Context(t), "retain", "retention", "run"); err != nil {
		t.Fatal(err)
	}
	dir := p.fleet.Dir()
	p.fleet.Stop()
	p.wrote(t)
	if p.spans.received() == 0 {
		t.Error("no spans were sent")
	}
	p.empty(t, "after all has ended")
	if t.Failed() {
		return
	}
	t.Run("the search sees every kind of place", func(t *testing.T) { seesEveryPlace(t, p, dir) })
}

// keepsCustomers records customers whose every word is a marker, changes one and removes one.
func keepsCustomers(t *testing.T, f *fleet.Fleet) {
	t.Helper()
	table := filepath.Join(t.TempDir(), "crm.csv") // outside of what is searched
	command := func(want string, args ...string) {
		t.Helper()
		out, err := f.Command(program.Context(t), topology.Customers, append([]string{"customers"}, args...)...)
		if err != nil || !strings.Contains(out, want) {
			t.Fatalf("customers %v: %q, %v; want %q", args, out, err, want)
		}
	}
	for _, notes := range []string{strange, mark} {
		rows := fmt.Sprintf("number,name,address,notes\n%s-1,%s Weber,%s@customer.example,%s\n%s-2,Bert %s,bert@%s.example,%s\n", mark, mark, mark, notes, mark, mark, mark, strange)
		if err := os.WriteFile(table, []byte(rows), 0o600); err != nil {
			t.Fatal(err)
		}
		command("recorded ", "import", table)
	}
	command(mark+" Weber", "list")
	command("not confirmed", "show", mark+"-2", mark+"-1")
	command("recorded 1", "confirm", mark+"@customer.example", "--how", "called_back")
	command(": every copy of the card of one customer is destroyed", "remove", mark+"-2", "--reason", "case-7", "--wait", "3m")
}

var (
	download = regexp.MustCompile(`href="(/tickets/[^"]+/files/\d+)"`)
	maskForm = regexp.MustCompile(`name="value" value="(\d+)"`)
)

// agentsReadAll opens every ticket, file and masked value, types markers wherever somebody
// may type, and checks that it was the mails' words that were read.
func agentsReadAll(t *testing.T, f *fleet.Fleet, records map[string]*itemv1.Record) {
	t.Helper()
	link, err := f.Link(program.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	agent := program.SignIn(t, link)
	read, files, revealed, aside, decrypted := 0, 0, 0, 0, 0
	for _, record := range records {
		if record.GetTicket() == "" {
			aside++
			continue
		}
		page := "/tickets/" + record.GetTicket()
		text := agent.Opened(t, page)
		for _, as := range []string{"/message", "/message?as=text"} {
			shown := agent.Opened(t, page+as)
			if strings.Contains(shown, mark) {
				read++
			}
			if strings.Contains(shown, insideSeal) {
				decrypted++
			}
		}
		for _, file := range download.FindAllStringSubmatch(text, -1) {
			if agent.Opened(t, file[1]) != "" {
				files++
			}
		}
		for _, value := range maskForm.FindAllStringSubmatch(text, -1) {
			if status, _ := agent.Post(t, page+"/reveal", url.Values{"value": {value[1]}, "reason": {"about " + mark}}); status == http.StatusOK {
				revealed++
			}
		}
		agent.Opened(t, page+"/reads")
	}
	if decrypted < 2 {
		t.Errorf("%d mails of 2 that came encrypted were read", decrypted)
	}
	if read == 0 || files == 0 || revealed == 0 || aside == 0 {
		t.Errorf("%d messages with markers, %d files and %d masked values were read, %d mails are set aside", read, files, revealed, aside)
	}
	agent.Post(t, "/signin", url.Values{"name": {mark}, "password": {mark + mark}})
	agent.Get(t, "/tickets?q="+mark)
	agent.Get(t, "/tickets/"+mark)
}

// seesEveryPlace has each server and service write a marker by its own means, and asserts
// that the search finds each.
func seesEveryPlace(t *testing.T, p *places, dir string) {
	again := *p
	again.fleet = program.Fleet(t, fleet.Options{Dir: dir})
	f := again.fleet
	want := map[string]string{} // what was planted, by the folder where it must be found
	process, conn := connect(t, f, "desk")
	ctx := program.Context(t)

	plant := func(folder, what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		want[folder] = what
	}
	_, err := conn(ctx, "tickets.T00000000000000000000", []byte("an event with "+mark))
	plant(f.Folder("nats"), "an event on the bus", err)
	plant(f.Folder("redis"), "a value in Redis", process.Model.Short().SetFor(ctx, "planted", []byte(strings.Repeat("a", 400)+mark+strings.Repeat("a", 400)), time.Hour))
	_, err = process.Vault.Put(ctx, "view/planted", strings.NewReader(b64(words(1))), vault.PutOptions{})
	plant(filepath.Join(f.Folder("s3"), "objects/postern/view/planted"), "an object in S3", err)
	filer, ok := process.Vault.(vault.Filer)
	if !ok {
		t.Fatal("the vault keeps no tags")
	}
	_, err = process.Vault.Put(ctx, "view/tagged", strings.NewReader("nothing"), vault.PutOptions{Tags: map[string]string{"planted": mark}})
	if err == nil {
		_, err = filer.Marks(ctx, "view/tagged")
	}
	plant(filepath.Join(f.Folder("s3"), "objects/postern/view/tagged"), "a tag in S3", err)
	for _, name := range append(fleet.Servers(), fleet.Services()...) {
		plant(f.LogFile(name), "a line of "+name+"'s log", appendTo(f.LogFile(name), `{"msg":"from \u007ak7qxv9wrj@`+mark+`.example"}`+"\n"))
	}
	plant(again.scraped, "a metric", appendTo(filepath.Join(again.scraped, "ingest-metrics"), `mails{from="`+mark+`"} 1`+"\n"))
	response, err := http.Post(again.spans.url+"/v1/traces", "application/x-protobuf", strings.NewReader("\x0a\x10"+mark))
	if err == nil {
		err = response.Body.Close()
	}
	plant(again.spans.folder, "a span", err)
	for _, folder := range f.Scratch() {
		plant(folder, "a temporary file", appendTo(filepath.Join(folder, "left-over"), strings.ToUpper(mark)))
	}
	plant(filepath.Join(f.Folder("scan"), "tmp"), "the name of a temporary file", appendTo(filepath.Join(f.Folder("scan"), "tmp", mark+".zip"), ""))
	if attributed := f.LogFile("setup"); appendTo(attributed, "") == nil && unix.Setxattr(attributed, "user.note", []byte(mark), 0) == nil {
		want[attributed] = "an attribute of a file"
	}
	found := again.search(t)
	f.StopServices() // Redis and NATS go on to write until they end
	for folder, what := range want {
		if !slices.ContainsFunc(found.Hits, func(hit search.Hit) bool { return strings.HasPrefix(hit.Path, folder) }) {
			t.Errorf("%s was planted in %s and is not found", what, folder)
		}
	}
	f.Stop()
	snapshot := filepath.Join(f.Folder("redis"), "dump.rdb")
	if found := again.search(t); !slices.ContainsFunc(found.Hits, func(hit search.Hit) bool { return hit.Path == snapshot && strings.Contains(hit.Form, "lzf") }) {
		t.Error("a value in the compressed snapshot of Redis is not found")
	}
}

func appendTo(path, text string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	return file.Close()
}

// connect opens the fleet's stores with a service's credential, and gives a way to say
// anything on the bus.
func connect(t *testing.T, f *fleet.Fleet, name string) (*wiring.Process, func(ctx context.Context, subject string, data []byte) (uint64, error)) {
	t.Helper()
	config, err := wiring.Load(f.ConfigFile(name))
	if err != nil {
		t.Fatal(err)
	}
	config.DataDir = t.TempDir() // the service has its own
	process, err := wiring.New(program.Context(t), config, wiring.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Close)
	conn, err := process.Connect(program.Context(t), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return process, func(ctx context.Context, subject string, data []byte) (uint64, error) {
		return conn.Publish(ctx, subject, data)
	}
}
