package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/reading/readingtest"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	verifyv1 "github.com/postern-mail/postern/proto/verify/v1"
	"github.com/postern-mail/postern/services/verify"
)

// asked counts the questions to a DNS that has forgotten everything.
type asked struct{ times atomic.Int32 }

func (a *asked) Lookup(context.Context, dns.Type, string) (dns.Answer, error) {
	a.times.Add(1)
	return dns.Answer{}, dns.ErrNXDomain
}

const confirmed = "Return-Path: <marge@customer.example>\r\n" +
	"Received: from mail.customer.example (mail.customer.example [192.0.2.7])\r\n by mx.ours.example with ESMTP; Mon, 2 Mar 2026 10:00:00 +0000\r\n" +
	"From: Marge <marge@customer.example>\r\nTo: support@ours.example\r\nSubject: the lamp\r\n\r\nIt is broken.\r\n"

func TestAVerdictIsRepeatedWithoutDNS(t *testing.T) {
	o := newOne(t)
	o.configure("verify: {boundaries: [{mailbox: \"*\", trust_mx: [mx.ours.example]}]}\n")
	zone, err := dns.ParseZone([]byte(`{"customer.example.": {"TXT": ["v=spf1 ip4:192.0.2.7 -all"]}, "_dmarc.customer.example.": {"TXT": ["v=DMARC1; p=reject"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	o.names = zone
	o.start()
	o.server.Append(mailboxUser, "INBOX", []byte(confirmed))
	record := o.until("a ticket", func(all []*itemv1.Record) bool {
		return len(all) == 1 && all[0].GetState() == itemv1.State_STATE_TICKETED
	})[0]
	if record.GetFindings().GetSenderVerdict() != "authenticated" {
		t.Fatalf("it was judged %s %v", record.GetFindings().GetSenderVerdict(), record.GetFindings().GetSenderReasons())
	}
	o.stop()
	silent := new(asked)
	o.names = silent
	o.start()
	o.until("the service verify answers", func([]*itemv1.Record) bool {
		_, _, said := o.command("evidence", "replay", record.GetItem())
		return !strings.Contains(said, "is it running?")
	})
	for _, name := range []string{record.GetItem(), record.GetTicket()} {
		code, out, said := o.command("evidence", "replay", name)
		if code != done || !strings.Contains(out, "then     authenticated\n") || !strings.Contains(out, "now      the same") || !strings.Contains(out, "dmarc_pass: ") || !strings.Contains(out, record.GetItem()) {
			t.Errorf("exit %d: %s%s", code, out, said)
		}
	}
	if n := silent.times.Load(); n != 0 {
		t.Errorf("the DNS was asked %d times", n)
	}
	o.actIsInTheAuditLog("verify", "replay", "replay", record.GetItem())
}

// A mail that came encrypted is judged by what was inside: again, too, as long as the company's key is there.
func TestAVerdictOnAnEncryptedMailIsRepeatedWhileItsKeyIsThere(t *testing.T) {
	company, authors := readingtest.CompanyFolder(t), t.TempDir()
	if err := os.MkdirAll(filepath.Join(authors, "roots"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(authors, "roots", "root.pem"), []byte(readingtest.Encrypted(t, "root.pem")), 0o644); err != nil {
		t.Fatal(err)
	}
	o := newOne(t)
	o.configure("decryption: {keys: " + company + "}\nverify: {keys: " + authors + "}\n")
	o.names = new(asked)
	o.start()
	o.server.Append(mailboxUser, "INBOX", []byte(readingtest.Encrypted(t, "signed-gcm.eml")))
	record := o.until("a ticket", func(all []*itemv1.Record) bool {
		return len(all) == 1 && all[0].GetState() == itemv1.State_STATE_TICKETED
	})[0]
	if !slices.Contains(record.GetFindings().GetSenderReasons(), mailauth.AuthorSignatureGood) || record.GetFindings().GetScanVerdict() != "clean" {
		t.Fatalf("it was judged %v", record.GetFindings())
	}
	if code, out, said := o.command("evidence", "replay", record.GetItem()); code != done || !strings.Contains(out, "now      the same") {
		t.Errorf("exit %d: %s%s", code, out, said)
	}
	o.stop()
	if err := os.Remove(filepath.Join(company, "smime", "support.pem")); err != nil {
		t.Fatal(err)
	}
	o.start()
	o.until("the service verify answers", func([]*itemv1.Record) bool {
		_, _, said := o.command("evidence", "replay", record.GetItem())
		return !strings.Contains(said, "is it running?")
	})
	if code, out, said := o.command("evidence", "replay", record.GetTicket()); code != failed || !strings.Contains(out, "NOT the same: ") || !strings.Contains(out, "no longer in decryption.keys of verify: ") {
		t.Errorf("exit %d: %s%s", code, out, said)
	}
}

// actIsInTheAuditLog looks for an act of this user by a service.
func (o *one) actIsInTheAuditLog(service, action, purpose, item string) {
	o.t.Helper()
	conn, err := o.process.Connect(o.t.Context(), "audit")
	if err != nil {
		o.t.Fatal(err)
	}
	defer conn.Close()
	for message, err := range conn.Scan(o.t.Context(), topology.Audit, 1) {
		if err != nil {
			o.t.Fatal(err)
		}
		_, said, err := event.Open(message.Subject, message.Data)
		if err != nil {
			o.t.Fatal(err)
		}
		entry, _ := said.(*auditv1.Entry)
		for _, act := range entry.GetActs() {
			if act.GetAction() == action && act.GetActor() == operator() && slices.Contains(act.GetItems(), item) && act.GetPurpose() == purpose && act.GetService() == service {
				return
			}
		}
	}
	o.t.Errorf("the audit log has no %s of %s in this user's name", action, item)
}

// judge answers for the service verify.
type judge struct {
	*records
	answer *verifyv1.Replayed
	err    error
}

func (j judge) Request(context.Context, string, []byte, ...bus.PublishOption) ([]byte, error) {
	if j.err != nil {
		return nil, j.err
	}
	return proto.Marshal(j.answer)
}

func TestADifferenceIsNamedAndIsNoSuccess(t *testing.T) {
	record := asideOf(1, 10, 10, func(r *itemv1.Record) { r.Evidence = []byte("sealed") })
	answer := &verifyv1.Replayed{
		Received: timestamppb.Now(), Then: &verifyv1.Verdict{Verdict: "authenticated", Reasons: []string{mailauth.DMARCPass}},
		Now: &verifyv1.Verdict{Verdict: "unverified", Reasons: []string{"of_a_later_version"}}, Differences: []string{"verdict", "reasons", "dkim"}, Answers: 4,
	}
	var out strings.Builder
	same, err := replay(t.Context(), judge{&records{of: []*itemv1.Record{record}}, answer, nil}, record.GetItem(), &out)
	if err != nil || same || !strings.Contains(out.String(), "NOT the same: verdict, reasons, dkim differ") || !strings.Contains(out.String(), "now      unverified\n") {
		t.Errorf("%v, %v: %s", same, err, &out)
	}
}

func TestWhatCannotBeRepeatedSaysWhy(t *testing.T) {
	with := func(change ...func(*itemv1.Record)) *itemv1.Record { return asideOf(1, 10, 10, change...) }
	kept := func(r *itemv1.Record) { r.Evidence = []byte("sealed") }
	judged := func(reasons ...string) func(*itemv1.Record) {
		return func(r *itemv1.Record) {
			r.Findings = &itemv1.Findings{SenderVerdict: "unverified", SenderReasons: reasons}
		}
	}
	for says, c := range map[string]struct {
		record *itemv1.Record
		err    error
	}{
		"has no verdict on record yet":    {record: with()},
		"was too much to be kept":         {record: with(judged(mailauth.EvidenceNotKept))},
		"a version that kept no evidence": {record: with(judged(mailauth.DMARCPass))},
		"its original was destroyed": {record: with(judged(mailauth.DMARCPass), func(r *itemv1.Record) {
			r.Layers[0].State = itemv1.LayerState_LAYER_STATE_ERASED
		})},
		"is it running?":               {with(kept), bus.ErrNobody},
		"proves nothing":               {with(kept), fault.Final(verify.EvidenceUnreadable)},
		"was destroyed in this moment": {with(kept), fault.Final("open_destroyed")},
	} {
		var out strings.Builder
		_, err := replay(t.Context(), judge{&records{of: []*itemv1.Record{c.record}}, nil, c.err}, c.record.GetItem(), &out)
		if err == nil || !strings.Contains(err.Error(), says) || out.Len() > 0 {
			t.Errorf("want %q: %v, %s", says, err, &out)
		}
	}
	if _, err := replay(t.Context(), judge{&records{}, nil, nil}, "T00000000000000000000", new(strings.Builder)); err == nil || !strings.Contains(err.Error(), "no such ticket") {
		t.Errorf("of nothing: %v", err)
	}
}
