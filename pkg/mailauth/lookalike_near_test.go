package mailauth

import (
	"testing"

	"github.com/postern-mail/postern/pkg/mailauth/alike"
)

// Where lengths are not close, no form is shared: nothing is passed over by looking at them first.
func TestDomainsOfOtherLengthsShareNoForm(t *testing.T) {
	names := []string{"contoso.example", "contosos.example", "contos.example", "conto.example", "contosoabc.example", "xn--contos-8ya.example", "northwind.example", "northwinds.example", "northwi.example"}
	for _, a := range names {
		for _, b := range names {
			if !closeInLength(a, b) && shares(alike.Nears(a), alike.Nears(b)) {
				t.Errorf("%s and %s share a form", a, b)
			}
		}
	}
	for pair, want := range map[[2]string]bool{
		{"contoso.example", "contosos.example"}: true, {"contoso.example", "contosoab.example"}: false,
		{"contosoab.example", "contoso.example"}: false, {"xn--contos-8ya.example", "contoso.example"}: true,
	} {
		if got := closeInLength(pair[0], pair[1]); got != want {
			t.Errorf("%v: %v", pair, got)
		}
	}
}
