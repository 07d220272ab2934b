package archive_test

import (
	"testing"

	"github.com/postern-mail/postern/services/archive"
)

// The whole mail tells more; where nobody read it, its headers at the door do.
func TestTheClassFollowsTheKindThatTheDoorToldWhereNobodyKnowsBetter(t *testing.T) {
	for _, c := range []struct{ door, whole, class string }{
		{"auto_reply", "", "machine"},
		{"person", "auto_reply", "machine"},
		{"auto_reply", "person", "customer"},
		{"", "person", "customer"},
	} {
		ring := &filer{}
		mail := scanned(c.whole, "clean")
		mail.Record.Kind = c.door
		if _, err := archive.New(archive.DefaultConfig(), ring, stored(t)).File(t.Context(), mail); err != nil {
			t.Fatal(err)
		}
		if got := ring.asked[0].GetClass(); got != c.class {
			t.Errorf("%+v: class %s", c, got)
		}
	}
}
