package clean

import (
	"strconv"
	"strings"
	"testing"
)

// cleaned cleans, checks that the result is safe and stable, and gives it.
func cleaned(t *testing.T, input string, options Options) Result {
	t.Helper()
	result, err := verify(input, options)
	if err != nil {
		t.Errorf("%q: %v", input, err)
	}
	return result
}

func TestWhatIsLeftOfAnElement(t *testing.T) {
	for input, want := range map[string]string{
		`<P CLASS=x ID=y onclick=z()>a<br/>b`:                      `<p>a<br>b</p>`,
		`<p>a<p>b`:                                                 `<p>a</p><p>b</p>`,
		`<ul><li>a<li>b</ul>c`:                                     `<ul><li>a</li><li>b</li></ul>c`,
		`<table><td>a<td>b<tr><td>c</table>d`:                      `<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>d`,
		`<td>a</td>b`:                                              `ab`,
		`<table><tr><td></div></b>a</table>`:                       `<table><tr><td>a</td></tr></table>`,
		`<b><div>a</b>b</div>c`:                                    `<b><div>ab</div>c</b>`,
		`<script>a</script>b<style>c</style>d<!-- e -->f`:          `bdf`,
		`<svg><text>a</text></svg><math><mi>b</mi></math>`:         `ab`,
		`<form action=x><input value=y>a<button>b</button></form>`: `ab`,
		`<iframe src=x>a</iframe><object data=y>b</object>`:        `b`,
		`<xmp><b>a</b></xmp>`:                                      `&lt;b&gt;a&lt;/b&gt;`,
		`<noscript><b>a</b></noscript>`:                            `<b>a</b>`,
		`<td colspan=2 rowspan=9999>`:                              ``,
		`<table width=100% border=0 cellpadding=5000><tr><td colspan=2 rowspan=9999 bgcolor=#EEE>a`: `<table width="100%" border="0"><tr><td bgcolor="#eeeeee" colspan="2">a</td></tr></table>`,
		`<font color=red size=9 face="Arial,x(y)">a</font>`:                                         `<font color="#ff0000" face="arial">a</font>`,
		`a<plaintext><b>`:      `a&lt;b&gt;`,
		"a\u202eb\x00c\u0085d": "abcd",
		`<span class="postern-quote gmail_quote">a</span>`:        `<span>a</span>`,
		`<p lang=DE-1996>a<p lang=zh-Hant-TW>b`:                   `<p lang="de-1996">a</p><p lang="zh-hant-tw">b</p>`,
		`<p lang=x-41111111-11111111>a<p lang=4111>b<p lang=''>c`: `<p>a</p><p>b</p><p>c</p>`,
	} {
		if got := cleaned(t, input, Options{}).HTML; got != want {
			t.Errorf("%q became %q, want %q", input, got, want)
		}
	}
}

func TestStylesKeepOnlyWhatIsHarmless(t *testing.T) {
	for style, want := range map[string]string{
		"color: RED; font-size: 12px":                      "font-size: 12px; color: #ff0000",
		"background: url(http://x/y.png)":                  "",
		"background: #fff url('x')":                        "",
		"position: fixed; top: 0; left: 0; z-index: 9":     "",
		"display: none":                                    "",
		"display:block;visibility:hidden;opacity:0":        "display: block",
		"font-size: 0; line-height: 0; text-indent: -99px": "",
		"width: expression(alert(1))":                      "",
		"behavior: url(#x); -moz-binding: url(y)":          "",
		`c\6flor: red; color: r\65 d`:                      "",
		"color/**/:red":                                    "",
		"content: 'x'; animation: y 1s":                    "",
		"margin: 0 auto; margin-left: -500px":              "margin: 0 auto",
		"margin: 201px":                                    "",
		"margin: 200px":                                    "margin: 200px",
		"border: 1px solid #CCC":                           "border: 1px solid #cccccc",
		"font-family: 'Segoe UI', Arial, x{y}":             "font-family: 'segoe ui', arial",
		"color: #fff":                                      "", // white on the page's white
		"color: #fff; background-color: #000":              "color: #ffffff; background-color: #000000",
		"color: #000; background-color: #010101":           "color: #ffffff; background-color: #010101",
		"color: rgba(0,0,0,.1)":                            "",
		"color: rgb(0, 128, 0) !important":                 "color: #008000",
		"transform: scale(0); filter: blur(9px)":           "",
		"max-height: 0; overflow: hidden":                  "",
	} {
		got := strings.Replace(cleaned(t, `<div style="`+style+`">a</div>`, Options{}).HTML, ` class="`+ClassHidden+`"`, "", 1)
		whole := `<div>a</div>`
		if want != "" {
			whole = `<div style="` + strings.ReplaceAll(want, "'", "&#39;") + `">a</div>`
		}
		if got != whole {
			t.Errorf("%q became %q, want %q", style, got, whole)
		}
	}
}

func TestLettersMustStandOutFromTheGroundAroundThem(t *testing.T) {
	got := cleaned(t, `<table bgcolor=black><tr><td style="color:white">seen <font color=black>hidden</font></td></tr></table>`, Options{}).HTML
	want := `<table bgcolor="#000000" style="color: #ffffff"><tr><td style="color: #ffffff">seen <font class="postern-hidden">hidden</font></td></tr></table>`
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLinksShowWhereTheyLead(t *testing.T) {
	const rel = `" rel="noopener noreferrer nofollow" target="_blank">`
	for input, want := range map[string]string{
		`<a href="https://example.org/x?a=b&amp;c=d">example.org</a>`:      `<a href="https://example.org/x?a=b&amp;c=d` + rel + `example.org</a>`,
		`<a href="https://t.example/x">click</a>`:                          `<a href="https://t.example/x` + rel + `click</a><span class="postern-host"> [t.example]</span>`,
		`<a href="http://evil.example/">www.bank.com</a>`:                  `<a href="http://evil.example/` + rel + `www.bank.com</a><span class="postern-mismatch"> [leads to evil.example, not to www.bank.com]</span>`,
		`<a href="http://evil.org/">https://intranet.bank.example/pay</a>`: `<a href="http://evil.org/` + rel + `https://intranet.bank.example/pay</a><span class="postern-mismatch"> [leads to evil.org, not to intranet.bank.example]</span>`,
		`<a href="http://evil.org/">Pay: HTTP://intranet/x</a>`:            `<a href="http://evil.org/` + rel + `Pay: HTTP://intranet/x</a><span class="postern-mismatch"> [leads to evil.org, not to intranet]</span>`,
		`<a href="http://evil.org/">(https://mail.local)</a>`:              `<a href="http://evil.org/` + rel + `(https://mail.local)</a><span class="postern-mismatch"> [leads to evil.org, not to mail.local]</span>`,
		`<a href="http://evil.org/">www.bank.internal</a>`:                 `<a href="http://evil.org/` + rel + `www.bank.internal</a><span class="postern-mismatch"> [leads to evil.org, not to www.bank.internal]</span>`,
		`<a href="http://a.shop.example/">http://b.shop.example/</a>`:      `<a href="http://a.shop.example/` + rel + `http://b.shop.example/</a><span class="postern-host"> [a.shop.example]</span>`,
		`<a href="http://evil.org/">version 1.2.nosuchtld</a>`:             `<a href="http://evil.org/` + rel + `version 1.2.nosuchtld</a><span class="postern-host"> [evil.org]</span>`,
		`<a href="http://evil.org/">http://./x</a>`:                        `<a href="http://evil.org/` + rel + `http://./x</a><span class="postern-host"> [evil.org]</span>`,
		`<a href="https://click.bank.com/">bank.com</a>`:                   `<a href="https://click.bank.com/` + rel + `bank.com</a><span class="postern-host"> [click.bank.com]</span>`,
		`<a href="https://bank.com@evil.example/">x</a>`:                   `<a href="https://evil.example/` + rel + `x</a><span class="postern-host"> [evil.example]</span>`,
		`<a href="https://b&#252;cher.example/">x</a>`:                     `<a href="https://xn--bcher-kva.example/` + rel + `x</a><span class="postern-host"> [xn--bcher-kva.example (bücher.example)]</span>`,
		`<a href="HTTP:\\Example.ORG\a">x</a>`:                             `<a href="http://example.org/a` + rel + `x</a><span class="postern-host"> [example.org]</span>`,
		`<a href=" java&#10;script:alert(1)">x</a>`:                        `x`,
		`<a href="data:text/html,x">x</a>`:                                 `x`,
		`<a href="VBScript:x">x</a>`:                                       `x`,
		`<a href="/relative">x</a>`:                                        `x`,
		`<a href="tel:123">x</a>`:                                          `x`,
		`<a name=x>y</a>`:                                                  `y`,
		`<a href="mailto:a@b.example?body=x">y</a>`:                        `<a href="mailto:a@b.example` + rel + `y</a>`,
	} {
		if got := cleaned(t, input, Options{}).HTML; got != want {
			t.Errorf("%q became %q, want %q", input, got, want)
		}
	}
}

func TestASenderCannotWriteOurNotices(t *testing.T) {
	got := cleaned(t, `<p>x<span class="postern-host"> [bank.com]</span><span class="postern-mismatch">y<b>z</b></span></p>`, Options{}).HTML
	if want := `<p>x<span>y<b>z</b></span></p>`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatIsRemovedIsCounted(t *testing.T) {
	for input, want := range map[string]Removed{
		`<p>plain`: {},
		`<script>x</script><b onclick=y onload=z>`:                                                    {Active: 3},
		`<a href=javascript:x>a</a><a href="data:x">b</a>`:                                            {Active: 2},
		`<iframe></iframe><form><input></form><svg></svg>`:                                            {Active: 4},
		`<meta http-equiv=refresh content=0><base href=x>`:                                            {Active: 1, Other: 1},
		`<img src=http://a.example/b.png>`:                                                            {Remote: 1},
		`<img src=//a.example/b.png>`:                                                                 {Remote: 1},
		`<img src=http://a.example/b.gif width=1 height=1>`:                                           {Remote: 1, Trackers: 1},
		`<img src=http://a.example/b.gif style="display:none">`:                                       {Remote: 1, Trackers: 1},
		`<img src=https://x.list-manage.com/track/open.php>`:                                          {Remote: 1, Trackers: 1},
		`<img src=http://a.example/b.gif style="WIDTH:0.75PT">`:                                       {Remote: 1, Trackers: 1},
		`<img src=http://a.example/b.gif style="max-height:.05em">`:                                   {Remote: 1, Trackers: 1},
		`<img src=http://a.example/b.gif height="1.0">`:                                               {Remote: 1, Trackers: 1},
		`<img src=http://a.example/b.gif style="opacity:0">`:                                          {Remote: 1, Trackers: 1},
		`<img src=http://a.example/b.gif style="position:absolute;left:-9999px">`:                     {Remote: 1, Trackers: 1},
		`<img src=http://a.example/b.gif width="100%" height=120>`:                                    {Remote: 1},
		`<table background=http://a.example/b.png>`:                                                   {Remote: 1},
		`<p style="background:url(http://a.example/b)">`:                                              {Remote: 1},
		`<style>@import "http://a"; p{background:url(http://b)}</style>`:                              {Remote: 2, Other: 1},
		`<p style="background:url(//a.example/b);list-style:url('https://a.example/c'), url(cid:x)">`: {Remote: 2},
		`<style>p{background:url( //a)} @import url("http://b");</style>`:                             {Remote: 2, Other: 1},
		`<link rel=stylesheet href=http://a.example/b.css>`:                                           {Remote: 1, Other: 1},
		`<img src="data:image/png;base64,AAAA">`:                                                      {Other: 1},
		`<img src="data:image/svg+xml,x">`:                                                            {Active: 1},
		`<p style="width:expression(x)">`:                                                             {Active: 1},
		`<img src=cid:a>`:                                                                             {},
	} {
		if got := cleaned(t, input, Options{}).Removed; got != want {
			t.Errorf("%q counted %+v, want %+v", input, got, want)
		}
	}
}

func TestTrackersAreNamed(t *testing.T) {
	result := cleaned(t, `<img src=https://x.list-manage.com/a><img src=https://y.list-manage.com/b><img src=http://z.example/c width=1>`, Options{})
	if strings.Join(result.Trackers, ",") != "Mailchimp,pixel" {
		t.Errorf("trackers %v", result.Trackers)
	}
}

func TestImagesAreOursOrWords(t *testing.T) {
	options := Options{Images: map[string]string{
		"one": "data:image/png;base64,AAAA", "two": "/view/1", "svg": "data:image/svg+xml;base64,AAAA", "off": "//evil.example/x",
	}}
	for input, want := range map[string]string{
		`<img src=cid:one alt=a width=5>`:           `<img src="data:image/png;base64,AAAA" width="5" alt="a">`,
		`<img src="CID:%6fne">`:                     `<img src="data:image/png;base64,AAAA" alt="">`,
		`<img src=cid:svg alt=a>`:                   `<span class="postern-image">[a]</span>`,
		`<img src=cid:off>`:                         ``,
		`<img src=cid:none>`:                        `<span class="postern-image">[image none]</span>`,
		`<img src=http://a.example/b alt="A Logo">`: `<span class="postern-image">[A Logo]</span>`,
		`<img src="data:image/png;base64,BBBB">`:    ``,
	} {
		result := HTML(input, options)
		if result.HTML != want {
			t.Errorf("%q became %q, want %q", input, result.HTML, want)
		}
		if again := HTML(result.HTML, options).HTML; again != result.HTML {
			t.Errorf("%q became %q", result.HTML, again)
		}
	}
	if got := HTML(`<img src=cid:two>`, options).HTML; got != `<img src="/view/1" alt="">` {
		t.Errorf("got %q", got)
	}
}

func TestHistoryAndSignaturesFold(t *testing.T) {
	for name, input := range map[string]string{
		"Gmail":       `<p>new<div class="gmail_quote">On day x wrote:<blockquote>old</blockquote></div>`,
		"Thunderbird": `<p>new<blockquote type="cite" cite="mid:x">old</blockquote>`,
		"Outlook":     `<p>new</p><div id="divRplyFwdMsg"><b>From:</b> x</div><div>old</div>`,
	} {
		got := cleaned(t, input, Options{}).HTML
		start := strings.Index(got, foldTags(ClassQuote))
		if start < 0 || strings.Contains(got[:start], "old") || !strings.Contains(got[start:], "old") || !strings.Contains(got[:start], "new") {
			t.Errorf("%s: %q", name, got)
		}
	}
	got := cleaned(t, `<p>text<div class="gmail_signature">me</div>`, Options{}).HTML
	if want := `<p>text</p>` + foldTags(ClassSignature) + `<div>me</div></details>`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheLimitsHold(t *testing.T) {
	deep := cleaned(t, strings.Repeat("<div>", 10)+"x", Options{MaxDepth: 10})
	if deep.Truncated || strings.Count(deep.HTML, "<div>") != 10 {
		t.Errorf("at the depth limit: %+v", deep)
	}
	deeper := cleaned(t, strings.Repeat("<div>", 11)+"x"+strings.Repeat("</div>", 11)+"y", Options{MaxDepth: 10})
	if !deeper.Truncated || strings.Count(deeper.HTML, "<div>") != 10 || !strings.HasSuffix(deeper.HTML, "</div>y") {
		t.Errorf("past the depth limit: %+v", deeper)
	}
	many := cleaned(t, strings.Repeat("<br>", 20), Options{MaxElements: 20})
	more := cleaned(t, strings.Repeat("<br>", 21)+"x", Options{MaxElements: 20})
	if many.Truncated || !more.Truncated || strings.Count(more.HTML, "<br>") != 20 || !strings.HasSuffix(more.HTML, "x") {
		t.Errorf("element limit: %+v, %+v", many, more)
	}
	if got := HTML("12345", Options{MaxInput: 5}); got.Truncated || got.HTML != "12345" {
		t.Errorf("at the input limit: %+v", got)
	}
	if got := HTML("123456", Options{MaxInput: 5}); !got.Truncated || got.HTML != "12345" {
		t.Errorf("past the input limit: %+v", got)
	}
}

// With time by the square of the input, any of these shapes would outlast the
// patience of the test run.
func TestNastyShapesEnd(t *testing.T) {
	for name, unit := range nastyShapes {
		t.Run(name, func(t *testing.T) {
			input := strings.Repeat(unit, (1<<20)/len(unit))
			document, _ := Document(input, Options{})
			Text(input)
			Replace(document.HTML, hide("a", "x"))
		})
	}
}

// A tag with very many attributes comes first, then very many tags.
func TestAHeavyTagDoesNotMakeLaterOnesDear(t *testing.T) {
	var input strings.Builder
	input.WriteString("<p")
	for i := range 100_000 {
		input.WriteString(" on" + strconv.Itoa(i))
	}
	input.WriteString(">" + strings.Repeat("<p onx>", 150_000))
	if got := HTML(input.String(), Options{MaxElements: 10}).Removed.Active; got != 250_000 {
		t.Errorf("%d handlers counted, want 250000", got)
	}
}

var nastyShapes = map[string]string{
	"open":       "<div>",
	"formatting": "<b><i><a href=http://x.example>",
	"closing":    "</p></div></b>",
	"tables":     "<table><tr><td>",
	"attributes": "<p a=1 b=2 style='color:red;;;;",
	"comments":   "<!--",
	"notices":    "<span class=postern-host>x",
	"quotes":     "<blockquote type=cite>",
	"brackets":   "<<<<",
	"entities":   "&&&&amp",
	"raw":        "<textarea><title><xmp>",
	"links":      "<a href=http://x.example>a</a>",
	"references": "<p title='&am&#1&zzzz'>&am&#1&zzzz",
	"declared":   "<!><?><!d",
	"scripts":    "<script><!--<script></script",
	"unclosed":   "<p title='",
	"handlers":   "<p onx ony onz>",
	"images":     "<img src='\\\\x.example\t/a' alt=a>",
	"labels":     "<p title=ax>a<b>x</b>&amp;",
	"no-break":   "\u00a0\u200c",
	"quoting":    "<div>On 1.1.2024 10:00 a@b.example wrote:</div><blockquote>",
	"dashes":     "<p>-----Original Message-----<p>",
	"rules":      "<div><div style='border-top:solid #E1E1E1 1.0pt'>x</div></div>",
	"veils":      "<div style='display:none;color:#fff'>x",
	"redirects":  "<a href='https://www.google.com/url?q=https://www.google.com/url?q=https%3A%2F%2Fa.example'>b.example</a>",
	"writings":   "<a href='https://\u0440\u0430\u0443.com/'>x</a>",
	"details":    "<details><summary>",
	"names":      "<abcdefghijklmnopqrstuvwxyz ",
	"numbers":    "&#x26;&#38;&#0;&#x110000;&notit;",
	"nested":     "<table><tr><td><ul><li><b>",
}

// BenchmarkNasty shows that time grows with the input and not faster.
func BenchmarkNasty(b *testing.B) {
	for name, unit := range nastyShapes {
		for _, size := range []int{1 << 18, 1 << 19, 1 << 20} {
			input := strings.Repeat(unit, size/len(unit))
			b.Run(name+"/"+strconv.Itoa(size>>10)+"KB", func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					HTML(input, Options{})
				}
			})
		}
	}
}
