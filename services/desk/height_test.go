package desk

import (
	"strings"
	"testing"

	contentv1 "github.com/postern-mail/postern/proto/content/v1"
)

// Reckoned by hand: 32 for the frame, 23.25 a line, 15 for what a paragraph keeps below it.
func TestTheFrameIsAsHighAsItsMessage(t *testing.T) {
	line := "<p>Hello</p>"
	for name, one := range map[string]struct {
		html        string
		wide        int
		least, most int
	}{
		"nothing":                     {"", wideFrame, 60, 60},
		"a line":                      {line, wideFrame, 60, 75},
		"three paragraphs":            {strings.Repeat(line, 3), wideFrame, 130, 155},
		"lines that are broken":       {"<div>a<br>b<br><br>c</div>", wideFrame, 120, 130},
		"a long line on a desk":       {"<p>" + strings.Repeat("word ", 200) + "</p>", wideFrame, 220, 320},
		"a long line on a telephone":  {"<p>" + strings.Repeat("word ", 200) + "</p>", narrowFrame, 590, 800},
		"a word without an end":       {"<p>" + strings.Repeat("w", 800) + "</p>", wideFrame, 190, 240},
		"cells beside one another":    {"<table><tr>" + strings.Repeat("<td>one</td>", 10) + "</tr></table>", wideFrame, 55, 70},
		"rows above one another":      {"<table>" + strings.Repeat("<tr><td>one</td></tr>", 10) + "</table>", wideFrame, 270, 300},
		"a table in a cell":           {"<table><tr><td><table>" + strings.Repeat("<tr><td>one</td></tr>", 4) + "</table></td><td>two</td></tr></table>", wideFrame, 125, 150},
		"a picture":                   {`<img src="data:x" width="200" height="300">`, wideFrame, 330, 345},
		"a picture that is too wide":  {`<img src="data:x" width="1656" height="600">`, wideFrame, 330, 345},
		"a heading":                   {"<h1>Offer</h1>", wideFrame, 75, 105},
		"letters of another size":     {`<p style="font-size: 30px">Hello</p>`, wideFrame, 78, 120},
		"room that is asked for":      {`<div style="padding: 40px">Hello</div>`, wideFrame, 130, 140},
		"history that is folded":      {"<p>Hello</p><details class=\"postern-quote\"><summary>Before</summary>" + strings.Repeat(line, 90) + "</details>", wideFrame, 85, 110},
		"text as it was written":      {`<div style="white-space: pre-wrap">a` + "\n\n" + `b</div>`, wideFrame, 100, 105},
		"Japanese":                    {"<p>" + strings.Repeat("注", 110) + "</p>", wideFrame, 75, 100},
		"so much that it scrolls":     {strings.Repeat(line, 900), wideFrame, mostHeight, mostHeight},
		"text beside marks in a line": {"<p>one <b>two</b> <a href=\"https://example.org\">three</a></p>", wideFrame, 60, 75},
	} {
		if got := frameHeight(&contentv1.Message{Html: one.html}, one.wide); got < one.least || got > one.most {
			t.Errorf("%s: %d, want %d to %d", name, got, one.least, one.most)
		}
	}
}

// What sanitizing writes is well formed; nothing else may make it hang or panic either.
func FuzzTheHeightOfAFrame(f *testing.F) {
	for _, seed := range []string{"<p>a</p>", "<table><tr><td>", "<", "</", "<td></tr></table>", "<table><tr><table>", strings.Repeat("<div>", 300), `<p style="font-size: 1e9px;height:-1px">`, "<details><details></details>", "<tr><td><tr>", `<img width="1e308%">`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if got := frameHeight(&contentv1.Message{Html: body}, narrowFrame); got < leastHeight || got > mostHeight {
			t.Errorf("%d", got)
		}
	})
}

func BenchmarkTheHeightOfAFrame(b *testing.B) {
	body := strings.Repeat(`<table><tr><td style="padding: 4px">`+strings.Repeat("word ", 40)+`</td><td>two</td></tr></table>`, 200)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		frameHeight(&contentv1.Message{Html: body}, wideFrame)
	}
}
