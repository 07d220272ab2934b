package clean

import (
	"strings"
	"testing"
)

// Each of these keeps words from a reader in some mail program; nothing of it may
// keep them from an agent.
var veils = []string{
	`style="display:none"`, `style="DISPLAY : None !important"`, `style="visibility:hidden"`, `style="visibility:collapse"`, `style="opacity:0"`, `style="opacity:0.01"`,
	`style="opacity:0%"`, `style="font-size:0"`, `style="font-size:0px"`, `style="font-size:1px"`, `style="font-size:.1em"`, `style="font:0/0 a"`, `style="font:1px/1px Arial"`,
	`style="max-height:0;overflow:hidden"`, `style="height:0px;overflow:hidden"`, `style="width:0;overflow:hidden"`, `style="text-indent:-9999px"`, `style="text-indent:-100em"`,
	`style="position:absolute;left:-9999px"`, `style="position:fixed;top:-5000px"`, `style="margin-left:-9999px"`, `style="clip:rect(0,0,0,0)"`,
	`style="clip: rect(0 0 0 0)"`, `style="clip-path:inset(100%)"`, `style="transform:scale(0)"`, `style="color:transparent"`, `style="color:rgba(0,0,0,0)"`, `style="color:#fff"`,
	`style="color:#123456;background-color:#123456"`, `style="filter:alpha(opacity=0)"`, `style="-webkit-text-fill-color:transparent"`, `hidden`, `hidden=""`,
}

func TestWordsThatAreHiddenAreShownAndMarked(t *testing.T) {
	for _, veil := range veils {
		result := cleaned(t, `<p>seen words</p><div `+veil+`>secret words</div><p>more words</p>`, Options{})
		before, after, marked := strings.Cut(result.HTML, `class="`+ClassHidden+`"`)
		if !marked || !strings.Contains(before, "seen words") || !strings.Contains(after, "secret words") {
			t.Errorf("%s: %q", veil, result.HTML)
		}
		if result.Hidden != (Hidden{Letters: len("secretwords"), Grave: true}) {
			t.Errorf("%s: %+v", veil, result.Hidden)
		}
		for _, bad := range []string{"none", "opacity", "indent", "overflow", "clip", "transparent", "hidden;", "-9999", "max-height", "font-size: 0", "font-size: 1px"} {
			if strings.Contains(result.HTML, bad) {
				t.Errorf("%s: %q holds %s", veil, result.HTML, bad)
			}
		}
	}
}

// What design does with the same declarations hides nothing.
func TestOrdinaryDesignHidesNothing(t *testing.T) {
	for _, html := range []string{
		`<table style="font-size:0"><tr><td style="font-size:14px">words</td></tr></table>`, // MJML's wrappers
		`<div style="max-height:0">words</div>`, `<div style="height:1px;line-height:1px">words</div>`, `<div style="overflow:hidden">words</div>`,
		`<div style="position:absolute;left:10px">words</div>`, `<div style="margin-left:-20px">words</div>`, `<div style="text-indent:-20px">words</div>`,
		`<div style="background:url(http://x.example/a.png);color:#fff">words</div>`, `<table background="http://x.example/a.png"><tr><td style="color:#ffffff">words</td></tr></table>`,
		`<div style="background-color:#000;color:#fff">words</div>`, `<div style="opacity:0.5">words</div>`, `<div style="font:12px/0 Arial">words</div>`,
		`<div style="mso-hide:all">words</div>`, `<div style="color:#fff"><a href="https://x.example" style="color:#000">words</a></div>`, `<p hidden></p>words`,
		`<div style="width:0">words</div>`, `<td width=1 height=1>words</td>`, `<div style="color:#eee">words</div>`,
	} {
		if result := cleaned(t, html, Options{}); result.Hidden.Letters > 0 {
			t.Errorf("%s: %+v, %q", html, result.Hidden, result.HTML)
		}
	}
}

func TestWordsForTheListOfMailsAreNotGraveAtTheLimitAndAreOnePastIt(t *testing.T) {
	for size, grave := range map[int]bool{preheader: false, preheader + 1: true} {
		result := cleaned(t, `<div style="display:none">`+strings.Repeat("x", size)+`</div><p>Hello`, Options{})
		if result.Hidden != (Hidden{size, grave}) {
			t.Errorf("%d letters: %+v", size, result.Hidden)
		}
	}
	if result := cleaned(t, `<p>Hello<div style="display:none">x`, Options{}); !result.Hidden.Grave {
		t.Errorf("behind what is seen: %+v", result.Hidden)
	}
	if result := cleaned(t, `<p>Hello<div style="display:none">&nbsp;&zwnj; &#8199;`, Options{}); result.Hidden != (Hidden{}) {
		t.Errorf("nothing hidden: %+v", result.Hidden)
	}
}

func TestASendersFoldIsOpen(t *testing.T) {
	got := cleaned(t, `<details><summary>More</summary>words</details>`, Options{}).HTML
	if want := `<details open=""><summary>More</summary>words</details>`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFontsOfSignsAreNotWritten(t *testing.T) {
	for _, font := range []string{"Wingdings", "webdings", "Symbol", "'Zapf Dingbats'", "wingdings 2, arial", "Adobe Blank"} {
		for _, html := range []string{`<font face="` + font + `">Pay</font>`, `<span style="font-family:` + font + `">Pay</span>`} {
			if got := strings.ToLower(cleaned(t, html, Options{}).HTML); strings.Contains(got, "dings") || strings.Contains(got, "symbol") || strings.Contains(got, "dingbats") || strings.Contains(got, "blank") {
				t.Errorf("%s: %q", html, got)
			}
		}
	}
}
