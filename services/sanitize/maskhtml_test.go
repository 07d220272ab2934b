package sanitize

import (
	"strings"
	"testing"
)

func TestWhatIsMaskedInTheTextIsMaskedInTheHTML(t *testing.T) {
	for name, test := range map[string]struct{ html, hidden, token string }{
		"blanks and dashes of all sorts": {"<p>4111\u00a01111\u20111111\u00ad1111</p>", "1111", "‹payment_card ··1111 #1›"},
		"written as entities":            {"<p>4111&nbsp;1111&#8209;1111&shy;1111</p>", "1111\u20111111", "‹payment_card ··1111 #1›"},
		"an address in a query":          {`<a href="https://x.example/?email=erika%40example.org&a=1">go</a>`, "erika", "‹email #1›"},
		"an address encoded twice":       {`<a href="https://x.example/?to=%3Femail%3Derika%2540example.org">go</a>`, "erika", "‹email #1›"},
		"a card in a query":              {`<a href="https://x.example/?c=4111%201111%201111%201111">go</a>`, "4111", "‹payment_card ··1111 #1›"},
		"a telephone in a query":         {`<a href="https://x.example/?tel=%2B493012345678">go</a>`, "3012345678", "‹phone #1›"},
	} {
		t.Run(name, func(t *testing.T) {
			view := render(t, "From: a@example.org\nContent-Type: text/html; charset=utf-8\n\n"+test.html+"\n", Options{})
			if !strings.Contains(view.MaskedText, test.token) || strings.Contains(strings.ReplaceAll(view.MaskedText, test.token, ""), test.hidden) {
				t.Errorf("text %q", view.MaskedText)
			}
			if strings.Contains(strings.ReplaceAll(view.HTML, test.token, ""), test.hidden) {
				t.Errorf("HTML %q", view.HTML)
			}
		})
	}
}

func TestLinksThatTellNothingOfAnybodyStay(t *testing.T) {
	for _, address := range []string{"https://x.example/?id=0301234567", "https://x.example/?q=a%20b&n=+493012345678", "https://x.example/?password=reset"} {
		view := render(t, "From: a@example.org\nContent-Type: text/html; charset=utf-8\n\n<a href=\""+address+"\">go</a>\n", Options{})
		if !strings.Contains(view.HTML, `href="`+strings.ReplaceAll(address, "&", "&amp;")+`"`) {
			t.Errorf("%s is gone: %q", address, view.HTML)
		}
	}
}
