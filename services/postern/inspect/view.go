package inspect

import (
	"strings"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/clean"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/pii"
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

func (o options) view(msg *mail.Message, _ attachment.Report) View {
	var plain, html string
	msg.Root.Walk(func(p *mail.Part) {
		text, _ := p.Text()
		switch {
		case p.Type == "text/plain" && plain == "" && p.Filename == "":
			plain = clean.Plain(text, clean.Flow{Flowed: strings.EqualFold(p.Params["format"], "flowed"), DelSp: strings.EqualFold(p.Params["delsp"], "yes")})
		case p.Type == "text/html" && html == "" && p.Filename == "":
			html = text
		}
	})
	cleaned := clean.HTML(html, clean.Options{})
	if plain == "" {
		plain = clean.Text(html)
	}
	v := View{Text: plain, HTML: cleaned.HTML, Removed: Removed(cleaned.Removed)}
	matches := pii.Find(plain)
	v.Masked = masks(matches)
	if !o.showMasked {
		v.Text = pii.Mask(plain, matches, pii.Options{})
	}
	return v
}

func masks(matches []pii.Match) []Mask {
	out := []Mask{}
	for _, m := range matches {
		out = append(out, Mask{Kind: string(m.Kind), Start: m.Start, End: m.End})
	}
	return out
}

// A MaskedText is what --text says of one text file.
type MaskedText struct {
	File   string `json:"file"`
	Masked []Mask `json:"masked"`
}

// maskText runs the masking alone. Offsets are into the file as it is.
func maskText(name string, raw []byte) MaskedText {
	return MaskedText{File: name, Masked: masks(pii.Find(string(raw)))}
}
