package verify_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/reading/readingtest"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	verifyv1 "github.com/postern-mail/postern/proto/verify/v1"
	"github.com/postern-mail/postern/services/verify"
)

var item = strings.Repeat("a", 64)

var bounded = verify.Config{Boundaries: []verify.Boundary{{Mailbox: "*", TrustMX: []string{"mx.ours.example"}}}}

// judgedBy gives what a worker says of the mail, and a worker for which everything has changed
// since: the DNS knows nobody and the configuration trusts nobody.
func judgedBy(t *testing.T, resolver dns.Resolver) (*mailv1.Verified, *verify.Worker) {
	t.Helper()
	store, opener := readingtest.Seal(t, raw)
	desk := reading.NewDesk(store, reading.DefaultLimits, mail.DefaultLimits)
	worker := verify.NewWorker(bounded, desk, opener, resolver, never, nil, nil)
	verified, err := worker.Verify(t.Context(), &mailv1.Received{Record: &itemv1.Record{Item: item, Received: timestamppb.Now()}})
	if err != nil {
		t.Fatal(err)
	}
	forgetful, err := dns.ParseZone([]byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	return verified, verify.NewWorker(verify.Config{}, desk, opener, forgetful, never, nil, nil)
}

func TestAVerdictIsRepeatedFromWhatWasKeptOfIt(t *testing.T) {
	resolver, err := dns.ParseZone([]byte(zone))
	if err != nil {
		t.Fatal(err)
	}
	verified, later := judgedBy(t, resolver)
	if n := len(verified.GetEvidence()); n == 0 || n > keys.MaxEvidence || bytes.Contains(verified.GetEvidence(), []byte("author.example")) {
		t.Errorf("evidence of %d bytes, sealed %v", n, !bytes.Contains(verified.GetEvidence(), []byte("author.example")))
	}
	got, err := later.Replay(t.Context(), &verifyv1.Replay{Item: item, Evidence: verified.GetEvidence(), Actor: "paula"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.GetDifferences()) > 0 || got.GetNow().GetVerdict() != "authenticated" || got.GetThen().GetVerdict() != "authenticated" || got.GetAnswers() == 0 ||
		!slices.Equal(got.GetNow().GetReasons(), verified.GetFindings().GetSenderReasons()) {
		t.Errorf("%v", got)
	}
}

func TestEvidenceOfAnotherMailOrOfNobodyRepeatsNothing(t *testing.T) {
	resolver, err := dns.ParseZone([]byte(zone))
	if err != nil {
		t.Fatal(err)
	}
	verified, later := judgedBy(t, resolver)
	other, _ := judgedBy(t, resolver)
	damaged := bytes.Clone(verified.GetEvidence())
	damaged[len(damaged)-1] ^= 1
	for want, requests := range map[string][]*verifyv1.Replay{
		verify.EvidenceUnreadable: {
			{Item: item, Evidence: other.GetEvidence(), Actor: "paula"},
			{Item: item, Evidence: damaged, Actor: "paula"},
			{Item: item, Evidence: verified.GetDetails(), Actor: "paula"},
		},
		verify.EvidenceMalformed: {
			{Item: item, Evidence: verified.GetEvidence()},
			{Item: item, Actor: "paula"},
			{Item: "x", Evidence: verified.GetEvidence(), Actor: "paula"},
			{Item: item, Evidence: make([]byte, keys.MaxEvidence+1), Actor: "paula"},
		},
	} {
		for i, request := range requests {
			if _, err := later.Replay(t.Context(), request); !fault.IsFinal(err) || fault.Of(err).Code != want {
				t.Errorf("%s %d: %v", want, i, err)
			}
		}
	}
}

// A domain that answers with what cannot be made smaller.
func TestEvidenceWithoutEndIsNotKeptAndThatIsSaid(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	texts := []string{"v=spf1 ip4:192.0.2.7 -all"}
	for range 3 {
		noise := make([]byte, 60<<10)
		_, _ = random.Read(noise)
		texts = append(texts, string(noise))
	}
	resolver, err := dns.NewZone(map[string]*dns.Entry{"author.example.": {TXT: texts}, "_dmarc.author.example.": {TXT: []string{"v=DMARC1; p=reject"}}})
	if err != nil {
		t.Fatal(err)
	}
	verified, _ := judgedBy(t, resolver)
	if len(verified.GetEvidence()) > 0 || !slices.Contains(verified.GetFindings().GetSenderReasons(), mailauth.EvidenceNotKept) || verified.GetFindings().GetSenderVerdict() != "authenticated" {
		t.Errorf("%d bytes, %v", len(verified.GetEvidence()), verified.GetFindings())
	}
}

// All that a domain may answer fits beside the rest of a record on the bus.
func TestTheLargestEvidenceFitsOnTheBus(t *testing.T) {
	if keys.MaxEvidence+keys.MaxDetails+2*64<<10 > bus.MaxPayload*3/4 {
		t.Error("a record with all of its parts at their limits leaves no room")
	}
}
