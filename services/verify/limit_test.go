package verify_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/reading/readingtest"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/verify"
)

// Ten signatures with identities of 60,000 bytes, each of which JSON writes with six.
func TestWhatAStrangerWritesCannotMakeAnEventTooLarge(t *testing.T) {
	var long strings.Builder
	for i := range 10 {
		fmt.Fprintf(&long, "DKIM-Signature: v=1; a=rsa-sha256; d=d%d.example; s=s; i=%s@d%d.example; h=from; bh=aaaa; b=bbbb\r\n", i, strings.Repeat("&", 60_000), i)
	}
	long.WriteString("From: a@author.example\r\n\r\nhello\r\n")
	resolver, err := dns.ParseZone([]byte(zone))
	if err != nil {
		t.Fatal(err)
	}
	store, opener := readingtest.Seal(t, long.String())
	worker := verify.NewWorker(verify.Config{}, reading.NewDesk(store, reading.DefaultLimits, mail.DefaultLimits), opener, resolver, never, nil, nil)
	verified, err := worker.Verify(t.Context(), &mailv1.Received{Record: &itemv1.Record{Item: "item", Received: timestamppb.Now()}})
	if err != nil {
		t.Fatal(err)
	}
	if size := len(verified.GetDetails()); size > keys.MaxDetails/2 || size > bus.MaxPayload {
		t.Errorf("details of %d bytes", size)
	}
	if verified.GetFindings().GetSenderVerdict() == "" {
		t.Error("the verdict is lost")
	}
}
