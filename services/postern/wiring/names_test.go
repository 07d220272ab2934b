package wiring_test

import (
	"testing"

	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/retain"
)

// Services do not import one another, so each knows the name by itself.
func TestTheDeskLooksForCertificatesWhereRetentionPutsThem(t *testing.T) {
	for _, id := range []string{"C1", "C01JD6ZQ7KT3S8W4N2M5P9R0V1X"} {
		if desk.CertificateObject(id) != retain.CertificateObject(id) {
			t.Errorf("%s: %s and %s", id, desk.CertificateObject(id), retain.CertificateObject(id))
		}
	}
}

func TestNoMailIsFetchedThatIsLargerThanWhatIsRead(t *testing.T) {
	if ingest.MaxFetch != reading.DefaultLimits.Mail {
		t.Errorf("up to %d bytes are fetched, and up to %d are read", ingest.MaxFetch, reading.DefaultLimits.Mail)
	}
}
