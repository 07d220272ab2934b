package keyring

import (
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mail"
)

func TestWhatTheDoorToldOfASenderStandsInTheRecord(t *testing.T) {
	w := newWorld(t)
	w.start()
	for i, kind := range append(mail.Kinds, "") {
		r := w.registration(uint32(i+1), "a mail")
		r.Kind, r.Loops = string(kind), i%2 == 0
		got, err := w.client("ingest").Register(t.Context(), r)
		if err != nil || got.Record.Kind != string(kind) || got.Record.Loops != (i%2 == 0) {
			t.Errorf("kind %q: %v, %v", kind, got, err)
		}
	}
}

func TestNothingASenderWroteGetsIntoARecordAsAKind(t *testing.T) {
	w := newWorld(t)
	w.start()
	for _, kind := range []string{"Marge", "marge@customer.example", "a b", "no1", strings.Repeat("a", longestKind+1)} {
		r := w.registration(1, "a mail")
		r.Kind = kind
		_, err := w.client("ingest").Register(t.Context(), r)
		w.mustRefuse(err, keys.Malformed)
	}
}
