package retain_test

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	"github.com/postern-mail/postern/services/retain"
)

// certificate gives the one certificate that was said.
func (w *world) certificate() retain.Certificate {
	w.t.Helper()
	var found []retain.Certificate
	for _, said := range w.said {
		if certified, is := said.(*retentionv1.Certified); is {
			certificate, err := retain.Verify(certified.GetDocument(), signer.Public().(ed25519.PublicKey))
			if err != nil {
				w.t.Fatal(err)
			}
			found = append(found, certificate)
		}
	}
	if len(found) != 1 {
		w.t.Fatalf("%d certificates, want one", len(found))
	}
	return found[0]
}

func checkOf(c retain.Certificate, code string) retain.Check {
	for _, check := range c.Checks {
		if check.Code == code {
			return check
		}
	}
	return retain.Check{}
}

func TestACertificateCountsWhatAllAttemptsRemoved(t *testing.T) {
	w, due, _ := expired(t)
	service := w.service()
	w.readerHolds = true
	for range 2 {
		if err := service.Run(t.Context()); !errors.Is(err, retain.ErrPending) {
			t.Fatalf("a run while a keyring has the keys: %v", err)
		}
	}
	for _, item := range due {
		if w.there(w.records[item].GetLayers()[0].GetObject()) {
			t.Fatal("the first attempts removed nothing: there is nothing to count twice")
		}
	}
	w.readerHolds = false
	if err := service.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := w.certificate()
	if len(c.Items) != 2 {
		t.Fatalf("%d lines, want 2", len(c.Items))
	}
	for _, line := range c.Items {
		if line.Versions != 1 || line.Ciphertext != "gone" {
			t.Errorf("line %+v, want one version removed", line)
		}
	}
	if got := checkOf(c, "versions_removed"); got.Count != 2 || got.Result != "removed" {
		t.Errorf("%+v, want two versions removed", got)
	}
}

func TestACertificateDoesNotClaimToKnowWhatAnotherProcessRemoved(t *testing.T) {
	w, _, _ := expired(t)
	w.readerHolds = true
	if err := w.service().Run(t.Context()); !errors.Is(err, retain.ErrPending) {
		t.Fatalf("a run while a keyring has the keys: %v", err)
	}
	w.readerHolds = false
	if err := w.service().Run(t.Context()); err != nil { // a service that knows nothing of the first
		t.Fatal(err)
	}
	if got := checkOf(w.certificate(), "versions_removed"); got.Count != 0 || !strings.Contains(got.Result, "of 2 objects nothing was left when they were first looked at here") {
		t.Errorf("%+v, want it to say that two objects were not counted", got)
	}
	for _, said := range w.said {
		if certified, is := said.(*retentionv1.Certified); is && strings.Contains(string(certified.GetDocument()), `"versions":0`) {
			t.Error("a line says that no version was removed, which nobody knows")
		}
	}
}
