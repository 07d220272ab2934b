package inspect

import (
	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/pii"
	"github.com/postern-mail/postern/services/sanitize"
)

// A View is what an agent would read.
type View struct {
	Text    string  `json:"text"`
	HTML    string  `json:"html"`
	Removed Removed `json:"removed"`
	Masked  []Mask  `json:"masked"`
}

// Removed counts what was left out of the HTML.
type Removed struct {
	Active   int `json:"active"`
	Remote   int `json:"remote"`
	Trackers int `json:"trackers"`
	Other    int `json:"other"`
}

// A Mask is one masked value: byte offsets into the unmasked text.
type Mask struct {
	Kind  string `json:"kind"`
	Start int    `json:"start"`
	End   int    `json:"end"`
}

// view is what the sanitize service would show.
func (o options) view(msg *mail.Message, report attachment.Report) View {
	shown := sanitize.Render(msg, report, sanitize.Options{})
	v := View{Text: shown.MaskedText, HTML: shown.HTML, Removed: Removed(shown.Removed), Masked: []Mask{}}
	if o.showMasked {
		v.Text = shown.Text
	}
	for _, m := range shown.Masks {
		if m.Value >= 0 { // else the kind is left readable
			v.Masked = append(v.Masked, Mask{Kind: string(m.Kind), Start: m.Start, End: m.End})
		}
	}
	return v
}

// A MaskedText is what --text says of one text file.
type MaskedText struct {
	File   string `json:"file"`
	Masked []Mask `json:"masked"`
}

// maskText runs the masking alone. Offsets are into the file as it is.
func maskText(name string, raw []byte) MaskedText {
	masked := MaskedText{File: name, Masked: []Mask{}}
	for _, m := range pii.Find(string(raw)) {
		masked.Masked = append(masked.Masked, Mask{Kind: string(m.Kind), Start: m.Start, End: m.End})
	}
	return masked
}
