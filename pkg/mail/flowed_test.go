package mail_test

import (
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

func TestFlowedTextIsUnfolded(t *testing.T) {
	for _, c := range []struct{ params, in, want string }{
		// RFC 3676 §4.2: the paragraph of the example, then a fixed line
		{"format=flowed", "`Take some more tea,' the March Hare \nsaid to Alice, very earnestly.\nfixed\n", "`Take some more tea,' the March Hare said to Alice, very earnestly.\nfixed\n"},
		{"format=flowed; delsp=yes", "flo \nwed\n", "flowed\n"},
		{"format=flowed", "> one \n> two\nthree\n", "> one two\nthree\n"},
		{"format=flowed", ">> deep \n> less\n", ">> deep \n> less\n"},
		{"format=flowed", " From here\n >not a quote\n", "From here\n>not a quote\n"},
		{"format=flowed", "bye \n\n-- \nname\n", "bye \n-- \nname\n"},
		{"format=fixed", "a \nb\n", "a \nb\n"},
	} {
		m := mail.Parse([]byte("From: a@example.com\nContent-Type: text/plain; "+c.params+"\n\n"+c.in), mail.Limits{})
		if got, _ := m.Root.Plain(); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.params, c.in, got, c.want)
		}
	}
}
