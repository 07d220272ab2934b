package sanitize

import (
	"testing"

	"github.com/postern-mail/postern/pkg/pii"
)

// A reveal gives one value: two that differ must never be one.
func TestTwoAddressesThatDifferInASignAreTwoValues(t *testing.T) {
	for kind, pair := range map[pii.Kind][2]string{
		pii.Email: {"live-help@example.org", "livehelp@example.org"}, pii.APIKey: {"sk-live-a_b", "sk-live-ab"}, pii.Password: {"a b", "ab"},
	} {
		v := newValues(pii.Options{})
		if v.number(kind, pair[0]) == v.number(kind, pair[1]) {
			t.Errorf("%s: %q and %q are one", kind, pair[0], pair[1])
		}
	}
	v := newValues(pii.Options{})
	if v.number(pii.IBAN, "DE89 3704 0044 0532 0130 00") != v.number(pii.IBAN, "DE89-3704-0044-0532-0130-00") || v.number(pii.Email, "a-b@example.org") != v.number(pii.Email, "a-b@exam\n> ple.org") {
		t.Error("one value written in two ways is two")
	}
}
