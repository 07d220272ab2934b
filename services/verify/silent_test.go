package verify_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/reading/readingtest"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/verify"
)

// slow answers about some names only when whoever asks gives up, and about others at once.
type slow struct {
	silent string
	rest   dns.Resolver
}

func (s slow) Lookup(ctx context.Context, kind dns.Type, name string) (dns.Answer, error) {
	if strings.HasSuffix(dns.Clean(name), s.silent) {
		<-ctx.Done()
		return dns.Answer{}, fmt.Errorf("%w: %w", dns.ErrTimeout, ctx.Err())
	}
	return s.rest.Lookup(ctx, kind, name)
}

// A mail that names only servers that never answer holds a worker for twenty seconds and no longer:
// as it is young it comes again, as it is old it goes on and says why. Meanwhile others are judged.
func TestServersThatNeverAnswerHoldUpNoOtherMail(t *testing.T) {
	zone, err := dns.ParseZone([]byte(zone))
	if err != nil {
		t.Fatal(err)
	}
	hostile := strings.ReplaceAll(raw, "author.example", "silent.example")
	for i := range 10 {
		hostile = fmt.Sprintf("DKIM-Signature: v=1; a=rsa-sha256; d=n%d.silent.example; s=s; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n", i) + hostile
	}
	for _, old := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store, opener := readingtest.Seal(t, hostile)
			young := func(*itemv1.Record) bool { return !old }
			config := verify.Config{Boundaries: []verify.Boundary{{Mailbox: "*", TrustMX: []string{"mx.ours.example"}}}}
			worker := verify.NewWorker(config, reading.NewDesk(store, reading.DefaultLimits, mail.DefaultLimits), opener, slow{"silent.example", zone}, young, nil, nil)
			begun := time.Now()
			type end struct {
				verified *mailv1.Verified
				err      error
				took     time.Duration
			}
			held := make(chan end, 1)
			go func() {
				verified, err := worker.Verify(t.Context(), &mailv1.Received{Record: &itemv1.Record{Item: "item", Received: timestamppb.Now()}})
				held <- end{verified, err, time.Since(begun)}
			}()
			synctest.Wait() // it waits for its name servers

			otherStore, otherOpener := readingtest.Seal(t, raw)
			other := verify.NewWorker(config, reading.NewDesk(otherStore, reading.DefaultLimits, mail.DefaultLimits), otherOpener, slow{"silent.example", zone}, young, nil, nil)
			judged, err := other.Verify(t.Context(), &mailv1.Received{Record: &itemv1.Record{Item: "item", Received: timestamppb.Now()}})
			if err != nil || judged.GetFindings().GetSenderVerdict() != "authenticated" || time.Since(begun) != 0 {
				t.Errorf("another mail: %v, %v, after %s", judged.GetFindings().GetSenderVerdict(), err, time.Since(begun))
			}
			got := <-held
			if got.took != 20*time.Second {
				t.Errorf("it was held for %s", got.took)
			}
			switch {
			case !old && !fault.IsLater(got.err):
				t.Errorf("a young one: %v", got.err)
			case old && (got.err != nil || got.verified.GetFindings().GetSenderVerdict() != "unverified"):
				t.Errorf("an old one: %v, %v", got.verified.GetFindings(), got.err)
			case old && !strings.Contains(strings.Join(got.verified.GetFindings().GetSenderReasons(), " "), "dmarc_record_unavailable"):
				t.Errorf("it says %v", got.verified.GetFindings().GetSenderReasons())
			}
		})
	}
}
