package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/customer"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// write puts a file beside the configuration and gives its name.
func (o *one) write(name, content string) string {
	o.t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		o.t.Fatal(err)
	}
	return path
}

// must types a command that has to do its work, and gives what it said.
func (o *one) must(want string, args ...string) string {
	o.t.Helper()
	code, out, said := o.command(args...)
	if code != done || !strings.Contains(out, want) {
		o.t.Fatalf("%v: exit %d, %q, %q; want %q", args, code, out, said, want)
	}
	return out
}

var customerID = regexp.MustCompile(`C[0-9a-f]{32}`)

func TestTheDirectoryMakesACustomerVerifiedUntilTheyAreRemoved(t *testing.T) {
	o := newOne(t)
	o.configure("verify: {boundaries: [{mailbox: \"*\", trust_mx: [mx.ours.example]}]}\n")
	zone, err := dns.ParseZone([]byte(`{"customer.example.": {"TXT": ["v=spf1 ip4:192.0.2.7 -all"]}, "_dmarc.customer.example.": {"TXT": ["v=DMARC1; p=reject"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	o.names = zone
	table := o.write("crm.csv", "number,name,address,notes\nK-77,Marge Okafor-Marker,marge@customer.example,Likes-lamps-Marker\nK-78,Bert Maier,bert@other.example,\n")
	if code, _, said := o.command("customers", "list"); code != failed || !strings.Contains(said, "no Postern is running on") {
		t.Errorf("exit %d, %q", code, said)
	}
	o.start()
	o.must("nobody is recorded", "customers", "list")
	o.must("2 customers: 2 new, 0 changed, 0 as they are recorded", "customers", "import", table, "--dry-run")
	o.must("nobody is recorded", "customers", "list")
	o.must("recorded 2", "customers", "import", table)
	o.must("2 customers: 0 new, 0 changed, 2 as they are recorded", "customers", "import", table)
	id := customerID.FindString(regexp.MustCompile("(?m)^.*K-77.*$").FindString(o.must("K-77", "customers", "list")))
	for _, name := range []string{id, "k-77", "Marge@CUSTOMER.example"} {
		if out := o.must("Likes-lamps-Marker", "customers", "show", name); !strings.Contains(out, "marge@customer.example, not confirmed") || strings.Contains(out, "Bert") {
			t.Errorf("show %s: %q", name, out)
		}
	}

	verdicts := 0
	verdict := func() (string, []string) {
		verdicts++
		o.server.Append(mailboxUser, "INBOX", []byte(confirmed), []byte("From: Marge Okafor-Marker <o@elsewhere.example>\r\nTo: support@ours.example\r\nSubject: hurry\r\n\r\nSend the goods elsewhere.\r\n"))
		records := o.until("both are tickets", func(all []*itemv1.Record) bool {
			return len(mails(all)) == 2*verdicts && !slices.ContainsFunc(mails(all), func(r *itemv1.Record) bool { return r.GetState() != ticketed })
		})
		two := mails(records)[2*verdicts-2:]
		return two[0].GetFindings().GetSenderVerdict(), two[1].GetFindings().GetSenderReasons()
	}
	o.until("verify knows the customers", func([]*itemv1.Record) bool {
		is, reasons := verdict()
		return is == "verified" && slices.Contains(reasons, mailauth.NameOfCustomer)
	})

	// How an address was confirmed is kept, and a change takes the old card away for good.
	o.must("recorded 1", "customers", "confirm", "marge@customer.example", "--how", "called_back", "--on", "2026-03-02")
	out := o.must("confirmed 2026-03-02, called_back, by operator:", "customers", "show", "K-77")
	second := customerID.FindString(out)
	if second == id || strings.Count(out, "Marge Okafor-Marker") != 1 {
		t.Errorf("a changed card is the same item, or the former is found too: %q", out)
	}
	o.must("2 customers: 0 new, 0 changed, 2 as they are recorded", "customers", "import", table)

	out = o.must("retention takes the keys of the card of one customer", "customers", "remove", "K-77", "--reason", "case-9")
	if code, _, said := o.command("customers", "show", "K-77"); code != failed || !strings.Contains(said, "no customer's id, address or number") {
		t.Errorf("exit %d, %q", code, said)
	}
	records := o.until("both cards are destroyed", func(all []*itemv1.Record) bool {
		gone := 0
		for _, r := range all {
			if (r.GetItem() == id || r.GetItem() == second) && r.GetState() == itemv1.State_STATE_TOMBSTONE {
				gone++
			}
		}
		return gone == 2
	})
	for _, r := range records {
		if customer.CardOf(r) != nil && !customer.Present(r) && (len(r.GetTokens()) > 0 || len(customer.CardOf(r).GetInline()) > 0) {
			t.Errorf("of a removed customer there is left %v", r)
		}
	}
	if !strings.Contains(out, ": every copy of the card of one customer is destroyed") {
		t.Errorf("it was not certified: %q", out)
	}
	certificates, err := filepath.Glob(filepath.Join(o.dir, "data", "vault", "objects", "ce", "certificates", "*", "*.json.OBJ"))
	if err != nil || len(certificates) < 2 {
		t.Fatalf("certificates %v, %v", certificates, err)
	}
	check := append([]string{"certificate", "verify", "--key", filepath.Join(o.dir, "data", "keys", "certificate.ed25519.pub"), "--item", second}, certificates...)
	if code, out, said := typed(t, "", check...); code != done || !strings.Contains(out, "it speaks of the item: layer card, keys gone") {
		t.Errorf("verify: exit %d, %q, %q", code, out, said)
	}
	o.until("verify knows her no more", func([]*itemv1.Record) bool {
		is, reasons := verdict()
		return is == "authenticated" && !slices.Contains(reasons, mailauth.NameOfCustomer)
	})
	o.must("Bert Maier", "customers", "list")
	o.actIsInTheAuditLog(topology.Customers, "enrol", "", second)
	o.actIsInTheAuditLog(topology.Customers, "open", keys.ForCustomer, second)
	o.stop()
	o.nothingSays(t, "Marker", "K-77", "bert@other")
}

// mails are the records of mails.
func mails(all []*itemv1.Record) []*itemv1.Record {
	return slices.DeleteFunc(slices.Clone(all), func(r *itemv1.Record) bool { return customer.CardOf(r) != nil })
}

// nothingSays looks through every file below the data directory.
func (o *one) nothingSays(t *testing.T, markers ...string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(filepath.Join(o.dir, "data"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		for _, marker := range markers {
			if bytes.Contains(content, []byte(marker)) {
				t.Errorf("%s says %q", path, marker)
			}
		}
		return err
	})
	if err != nil || files < 10 {
		t.Errorf("%d files looked at, %v", files, err)
	}
}

func TestACommandOnCustomersThatIsNotUnderstoodDoesNothing(t *testing.T) {
	for line, want := range map[string]string{
		"customers":                                       "usage: postern customers",
		"customers list anna":                             "usage: postern customers",
		"customers import":                                "usage: postern customers",
		"customers import a.csv b.csv":                    "usage: postern customers",
		"customers export":                                "usage: postern customers",
		"customers show":                                  "usage: postern customers",
		"customers list --dry-run":                        "--dry-run goes with import",
		"customers remove x":                              "--reason: reason: give one word",
		"customers remove x --reason two,words":           "--reason: reason: give one word",
		"customers show x --reason case-1":                "--reason goes with remove",
		"customers confirm a@example.com":                 "--how: say in one word",
		"customers confirm a@example.com --how Phone":     "--how: say in one word",
		"customers confirm a@example.com --how x1 --on 1": "--on: \"1\" is no day",
	} {
		code, out, said := typed(t, "", append(strings.Fields(line), "--config", "none.yaml")...)
		if code != misuse || out != "" || !strings.Contains(said, want) {
			t.Errorf("%s: exit %d, %q, %.200q, want %q", line, code, out, said, want)
		}
	}
	// A file with something wrong in it is told of before anything is asked of anybody.
	path := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(path, []byte("number,address\n1,a@example.com\n2,nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, said := typed(t, "", "customers", "import", path, "--config", "none.yaml")
	if code != failed || !strings.Contains(said, "nothing was imported of "+path) || !strings.Contains(said, `line 3: "nonsense" is no address`) {
		t.Errorf("exit %d, %q", code, said)
	}
}
