package desk

import (
	"testing"

	contentv1 "github.com/postern-mail/postern/proto/content/v1"
)

// Nobody is sent to a page that fails because the picture is larger than it can show: such a picture can be downloaded.
func TestOnlyWhatOneLookShowsIsOffered(t *testing.T) {
	for name, c := range map[string]struct {
		file *contentv1.Attachment
		want bool
	}{
		"a picture at the limit":         {&contentv1.Attachment{Packet: 2, Size: lookLimit, Pages: []*contentv1.Page{{Packet: 2}}}, true},
		"a byte past it":                 {&contentv1.Attachment{Packet: 2, Size: lookLimit + 1, Pages: []*contentv1.Page{{Packet: 2}}}, false},
		"a long document with pages":     {&contentv1.Attachment{Packet: 2, Size: lookLimit + 1, Pages: []*contentv1.Page{{Packet: 3}}}, true},
		"a text":                         {&contentv1.Attachment{Packet: 2, TextPacket: 3}, true},
		"a text that is the message":     {&contentv1.Attachment{Packet: 2, TextPacket: 1}, false},
		"a file that is withheld":        {&contentv1.Attachment{Packet: -1, Pages: []*contentv1.Page{{Packet: 3}}}, false},
		"a file that nothing stands for": {&contentv1.Attachment{Packet: 2}, false},
	} {
		if got := canLook(c.file); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
