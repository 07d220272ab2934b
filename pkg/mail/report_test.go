package mail_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/mail"
)

// RFC 3464 appendix E prints this one with three recipients.
func TestADeliveryReportReadsAsTheExampleOfRFC3464(t *testing.T) {
	m := mail.Parse(crlf(`From: Mail Delivery Subsystem <MAILER-DAEMON@CS.UTK.EDU>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
       boundary="JAA13167.773673707/CS.UTK.EDU"

--JAA13167.773673707/CS.UTK.EDU
content-type: text/plain; charset=us-ascii

       ----- The following addresses had delivery problems -----

--JAA13167.773673707/CS.UTK.EDU
content-type: message/delivery-status

Reporting-MTA: dns; cs.utk.edu
Arrival-Date: Sat, 2 Jul 1994 17:10:28 -0400

Original-Recipient: rfc822;arathib@vnet.ibm.com
Final-Recipient: rfc822;arathib@vnet.ibm.com
Action: failed
Status: 5.0.0 (permanent failure)
Diagnostic-Code: smtp;  550 'arathib@vnet.IBM.COM' is not a
 registered gateway user
Remote-MTA: dns; vnet.ibm.com

Original-Recipient: rfc822;johnh@hpnjld.njd.hp.com
Final-Recipient: rfc822;johnh@hpnjld.njd.hp.com
Action: delayed
Status: 4.0.0 (hpnjld.njd.jp.com: host name lookup failure)

Original-Recipient: rfc822;wsnell@sdcc13.ucsd.edu
Final-Recipient: rfc822;wsnell@sdcc13.ucsd.edu
Action: failed
Status: 5.0.0
Diagnostic-Code: smtp; 550 user unknown
Remote-MTA: dns; sdcc13.ucsd.edu

--JAA13167.773673707/CS.UTK.EDU--
`), mail.Limits{})
	want := &mail.DeliveryReport{
		ReportingMTA: "cs.utk.edu", Arrival: time.Date(1994, 7, 2, 17, 10, 28, 0, time.FixedZone("", -4*3600)),
		Recipients: []mail.RecipientReport{
			{Original: "arathib@vnet.ibm.com", Final: "arathib@vnet.ibm.com", Action: "failed", Status: "5.0.0",
				Diagnostic: "550 'arathib@vnet.IBM.COM' is not a registered gateway user", RemoteMTA: "vnet.ibm.com"},
			{Original: "johnh@hpnjld.njd.hp.com", Final: "johnh@hpnjld.njd.hp.com", Action: "delayed", Status: "4.0.0"},
			{Original: "wsnell@sdcc13.ucsd.edu", Final: "wsnell@sdcc13.ucsd.edu", Action: "failed", Status: "5.0.0",
				Diagnostic: "550 user unknown", RemoteMTA: "sdcc13.ucsd.edu"},
		},
	}
	if got := m.DeliveryReport(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// RFC 6533 §3 writes the letters beyond ASCII of an address so.
func TestAnInternationalRecipientIsReadWithItsLetters(t *testing.T) {
	m := mail.Parse(crlf("Content-Type: message/global-delivery-status\n\nReporting-MTA: dns; a.example\n\nFinal-Recipient: utf-8; J\\x{FC}rgen\\x{1F600}@example.com\nAction: failed\nStatus: 5.1.1\n"), mail.Limits{})
	if r := m.DeliveryReport(); r == nil || len(r.Recipients) != 1 || r.Recipients[0].Final != "Jürgen\U0001F600@example.com" {
		t.Errorf("%+v", r)
	}
}

func TestWhatIsNoDeliveryReportGivesNone(t *testing.T) {
	for _, raw := range []string{
		"Content-Type: text/plain\n\nReporting-MTA: dns; a\n", "Content-Type: message/delivery-status\n\n", "Content-Type: message/delivery-status\n\nno fields here\n\nnor here\n",
	} {
		if r := mail.Parse([]byte(raw), mail.Limits{}).DeliveryReport(); r != nil {
			t.Errorf("%q: %+v", raw, r)
		}
	}
}

func TestBouncesTellWhomTheyDidNotReach(t *testing.T) {
	parts, told := 0, 0
	eachMail(t, "mime/bounces", func(name string, raw []byte) {
		m := mail.Parse(raw, mail.Limits{})
		m.Walk(func(p *mail.Part) {
			if p.Type != "message/delivery-status" {
				return
			}
			parts++
			r := p.DeliveryReport()
			if len(strings.TrimSpace(string(p.Content))) == 0 { // one of the set says nothing
				return
			}
			if r == nil || len(r.Recipients) == 0 {
				t.Errorf("%s: %+v", name, r)
				return
			}
			for _, who := range r.Recipients {
				if !strings.Contains(who.Final+who.Original, "@") && !strings.Contains(who.Final, "/") || who.Action == "" || strings.Count(who.Status, ".") != 2 {
					t.Logf("%s: %+v", name, who)
					continue
				}
				told++
			}
		})
	})
	t.Logf("%d reports, %d recipients with address, action and status", parts, told)
	if parts != 33 || told < 32 {
		t.Errorf("%d reports, %d recipients", parts, told)
	}
}

// The fields of other reports (RFC 8098 §3.1, RFC 5965 §3.1) are read the same way.
func TestReportsAreGroupsOfFields(t *testing.T) {
	m := mail.Parse(crlf("Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822;a@example.com\nDisposition: manual-action/MDN-sent-manually;\n displayed\n\n\n\nX: 2\n"), mail.Limits{})
	groups := m.Root.FieldGroups()
	if len(groups) != 2 || groups[0].Get("disposition") != "manual-action/MDN-sent-manually; displayed" || groups[1].Get("X") != "2" {
		t.Errorf("%+v", groups)
	}
}

func FuzzDeliveryReport(f *testing.F) {
	f.Add([]byte("Reporting-MTA: dns; a\n\nFinal-Recipient: utf-8; \\x{41}\\x{\nAction: failed\nStatus: 5.1.1 (x)\n"))
	f.Add([]byte("\n\n \n:\nStatus\n\nStatus:"))
	f.Fuzz(func(t *testing.T, content []byte) {
		p := &mail.Part{Type: "message/delivery-status", Content: content}
		r := p.DeliveryReport()
		if r == nil {
			return
		}
		for _, who := range r.Recipients {
			if s := who.Final + who.Diagnostic; !validUTF8(s) || strings.ContainsAny(s, "\r\n\x00") {
				t.Errorf("%+q", who)
			}
		}
	})
}
