package mail

import (
	"reflect"
	"testing"
)

func TestAPackedMessageIsTheSameWhenItIsUnpacked(t *testing.T) {
	lim := Limits{Depth: 7}
	m := Parse([]byte(closedMail), lim)
	first := m.Open([]Opening{
		{Part: m.Root.Children[0], Form: Words, Encrypted: true, Content: []byte("w\xfcrds"), Charset: "iso-8859-1", Proof: []byte{}, Start: 5, End: 9},
		{Part: m.Root.Children[1], Form: Entity, Content: []byte("Content-Type: multipart/mixed; boundary=c\n\n--c\n\none\n--c\nContent-Type: application/pgp-encrypted\n\ntwo\n--c--\n"), Proof: []byte("proof")},
		{Part: &Part{}, Form: File, Content: []byte("hangs nowhere")},
	}, lim)
	var inner *Part
	first.Walk(func(p *Part) {
		if p.Type == "application/pgp-encrypted" {
			inner = p
		}
	})
	second := first.Open([]Opening{
		{Part: inner, Form: File, Filename: "b\xffd.txt", Content: []byte{}},
		{Part: inner, Refused: "no_key", Content: []byte{}},
	}, lim)
	for name, m := range map[string]*Message{"as it came": m, "opened": first, "opened twice": second} {
		parts, err := m.Pack(lim)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Unpack(parts)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("%s: another message", name)
		}
	}
}

func TestWhatIsNoPackedMessageIsRefused(t *testing.T) {
	for name, parts := range map[string][][]byte{
		"nothing": nil, "one part": {[]byte("{}")}, "no JSON": {[]byte("x"), nil},
		"a place that is not there": {[]byte(`{"Steps":[[{"Part":5}]]}`), []byte("\n\nx")},
		"a place below the first":   {[]byte(`{"Steps":[[{"Part":-1}]]}`), []byte("\n\nx")},
	} {
		if _, err := Unpack(parts); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
