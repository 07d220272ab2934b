package verify_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/reading/readingtest"
	"github.com/postern-mail/postern/pkg/seal/open"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/verify"
)

// The envelope's host may send for the author's domain, whose policy is to reject.
const raw = "Return-Path: <anna@author.example>\r\n" +
	"Received: from mail.author.example (mail.author.example [192.0.2.7])\r\n by mx.ours.example with ESMTP; Mon, 2 Mar 2026 10:00:00 +0000\r\n" +
	"From: Anna <anna@author.example>\r\nTo: support@ours.example\r\nSubject: hello\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@author.example>\r\n\r\nhello\r\n"

const zone = `{
	"author.example.": {"TXT": ["v=spf1 ip4:192.0.2.7 -all"]},
	"_dmarc.author.example.": {"TXT": ["v=DMARC1; p=reject"]}
}`

func work(t *testing.T, config verify.Config) (*mailv1.Verified, *contentv1.Findings) {
	t.Helper()
	resolver, err := dns.ParseZone([]byte(zone))
	if err != nil {
		t.Fatal(err)
	}
	store, opener := readingtest.Seal(t, raw)
	worker := verify.NewWorker(config, reading.NewDesk(store, reading.DefaultLimits, mail.DefaultLimits), opener, resolver, never, nil, nil)
	record := &itemv1.Record{Item: "item", Mailbox: "support", Received: timestamppb.New(time.Date(2026, 3, 2, 10, 0, 1, 0, time.UTC))}
	verified, err := worker.Verify(t.Context(), &mailv1.Received{Record: record})
	if err != nil {
		t.Fatal(err)
	}
	key, err := opener.Open(t.Context(), open.Ask{})
	if err != nil {
		t.Fatal(err)
	}
	defer key.Clear()
	plain, err := open.Bytes(key.Session, verified.GetDetails(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	findings := new(contentv1.Findings)
	if err := proto.Unmarshal(plain, findings); err != nil {
		t.Fatal(err)
	}
	return verified, findings
}

func TestTheVerdictTravelsAsCodesAndItsDetailsSealed(t *testing.T) {
	verified, findings := work(t, verify.Config{Boundaries: []verify.Boundary{{Mailbox: "*", TrustMX: []string{"mx.ours.example"}}}})
	if got := verified.GetFindings().GetSenderVerdict(); got != "authenticated" {
		t.Errorf("verdict %s, reasons %v", got, verified.GetFindings().GetSenderReasons())
	}
	if verified.GetFindings().GetKind() != "person" || findings.GetAuthor() != "anna@author.example" {
		t.Errorf("kind %s, author %s", verified.GetFindings().GetKind(), findings.GetAuthor())
	}
	var sender mailauth.Result
	if err := json.Unmarshal(findings.GetSender(), &sender); err != nil {
		t.Fatal(err)
	}
	if sender.SPF.Result != "pass" || sender.SPF.ClientIP != "192.0.2.7" || sender.DMARC.Result != "pass" {
		t.Errorf("details %+v", sender)
	}
}

func TestWithoutABoundaryTheReceivedLineProvesNothing(t *testing.T) {
	verified, findings := work(t, verify.Config{})
	var sender mailauth.Result
	if err := json.Unmarshal(findings.GetSender(), &sender); err != nil {
		t.Fatal(err)
	}
	if sender.SPF.Source != mailauth.FromNowhere || verified.GetFindings().GetSenderVerdict() == "authenticated" {
		t.Errorf("verdict %s, SPF %+v", verified.GetFindings().GetSenderVerdict(), sender.SPF)
	}
}

func TestAMailboxOfItsOwnIsBelievedByItsOwnBoundary(t *testing.T) {
	config := verify.Config{Boundaries: []verify.Boundary{{Mailbox: "*", TrustMX: []string{"a"}}, {Mailbox: "support", TrustMX: []string{"b"}}}}
	if got := config.Options("support").TrustMX[0]; got != "b" {
		t.Errorf("support trusts %s", got)
	}
	if got := config.Options("sales").TrustMX[0]; got != "a" {
		t.Errorf("sales trusts %s", got)
	}
}

func TestAJudgementWhoseTimeIsOverIsNoJudgement(t *testing.T) {
	store, opener := readingtest.Seal(t, raw)
	ctx, cancel := context.WithCancel(t.Context())
	cancelling := cancelOnLookup{cancel}
	worker := verify.NewWorker(verify.Config{}, reading.NewDesk(store, reading.DefaultLimits, mail.DefaultLimits), opener, cancelling, never, nil, nil)
	if _, err := worker.Verify(ctx, &mailv1.Received{Record: &itemv1.Record{Item: "item", Received: timestamppb.Now()}}); err == nil {
		t.Error("it was given")
	}
}

type cancelOnLookup struct{ cancel context.CancelFunc }

func (c cancelOnLookup) Lookup(context.Context, dns.Type, string) (dns.Answer, error) {
	c.cancel()
	return dns.Answer{}, dns.ErrTimeout
}

func never(*itemv1.Record) bool  { return false }
func always(*itemv1.Record) bool { return true }

// While name servers are silent a young mail waits where their answers could confirm its
// sender; an old one goes on and says why nobody is confirmed.
func TestSilentNameServersAreWaitedForWhileTheMailIsYoung(t *testing.T) {
	trusted := verify.Config{Boundaries: []verify.Boundary{{Mailbox: "*", TrustMX: []string{"mx.ours.example"}}}}
	for _, c := range []struct {
		name, zone string
		young      func(*itemv1.Record) bool
		waits      bool
		verdict    string
		reason     string
	}{
		{"a silent policy, a young mail", `{"author.example.": {"TXT": ["v=spf1 ip4:192.0.2.7 -all"]}, "_dmarc.author.example.": {"error": "timeout"}}`, always, true, "", ""},
		{"a silent policy, an old mail", `{"author.example.": {"TXT": ["v=spf1 ip4:192.0.2.7 -all"]}, "_dmarc.author.example.": {"error": "timeout"}}`, never, false, "unverified", "dmarc_record_unavailable"},
		{"a failing list of servers", `{"author.example.": {"error": "servfail"}, "_dmarc.author.example.": {"TXT": ["v=DMARC1; p=reject"]}}`, always, true, "", ""},
		{"silence that changes nothing", `{"author.example.": {"TXT": ["v=spf1 ip4:192.0.2.7 a:silent.example -all"]}, "silent.example.": {"error": "timeout"}, "_dmarc.author.example.": {"TXT": ["v=DMARC1; p=reject"]}}`, always, false, "authenticated", "spf_aligned"},
		{"nobody to be asked in vain", `{}`, always, false, "unverified", "no_policy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resolver, err := dns.ParseZone([]byte(c.zone))
			if err != nil {
				t.Fatal(err)
			}
			store, opener := readingtest.Seal(t, raw)
			worker := verify.NewWorker(trusted, reading.NewDesk(store, reading.DefaultLimits, mail.DefaultLimits), opener, resolver, c.young, nil, nil)
			verified, err := worker.Verify(t.Context(), &mailv1.Received{Record: &itemv1.Record{Item: "item", Received: timestamppb.Now()}})
			if fault.IsLater(err) != c.waits || err != nil && !c.waits {
				t.Fatalf("error %v", err)
			}
			if c.waits {
				return
			}
			if got := verified.GetFindings(); got.GetSenderVerdict() != c.verdict || !slices.Contains(got.GetSenderReasons(), c.reason) {
				t.Errorf("%s %v", got.GetSenderVerdict(), got.GetSenderReasons())
			}
		})
	}
}
