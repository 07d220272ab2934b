package clean

import "testing"

func FuzzHTML(f *testing.F) {
	for _, seed := range []string{
		`<p>Hello <b>you</b> &amp; <a href="https://example.org/a?b=c&d=e">https://example.com</a></p>`,
		`<svg><style><img src=x onerror=alert(1)></style></svg>`,
		`<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">`,
		`<table><td>one<tr><td>two<table><p>x<li>y</table></b></table>`,
		`<div class="gmail_quote">On <i>day</i> x wrote:<blockquote type=cite><p>old</blockquote></div>`,
		`<div id=divRplyFwdMsg><b>From:</b> a</div><p>rest<span class=postern-host>x</span>`,
		`<span class=postern-host>held<b>not</b></span><span class=postern-mismatch>`,
		`<a href="javascript:alert(1)">a<a href=//x>b<a href="mailto:a@b.example?subject=x">c</a>`,
		`<img src=cid:one alt="a<b"><img src="data:image/png;base64,AAAA"><img src=http://t.example/p.gif width=1>`,
		`<p style="color:#fff;font:12px x;background:url(http://a);position:fixed">white<font color=white bgcolor=x>w`,
		"<plaintext></plaintext><b>\x00\xff\r\n\u202e", `<noscript><p title="</noscript><img src=x onerror=1>">`,
		`<dl><dt>a<dd>b<dt>c</dl><ol start=3 type=a><li value=4>x<ul><li>y</ol>z`,
		`<form><p></form><select><option>a<iframe srcdoc="<script>"></select><textarea><img src=x></textarea>`,
	} {
		f.Add(seed)
	}
	options := Options{Images: map[string]string{"one": "data:image/png;base64,AAAA"}, MaxDepth: 12, MaxElements: 200}
	f.Fuzz(func(t *testing.T, input string) {
		if _, err := verify(input, options); err != nil {
			t.Error(err)
		}
	})
}
