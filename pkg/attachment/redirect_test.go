package attachment

import (
	"strings"
	"testing"
)

func TestPagesThatSendTheirReaderElsewhereAreNamed(t *testing.T) {
	for element, away := range map[string]bool{
		`<meta http-equiv="refresh" content="0;url=http://example.org/">`:              true,
		`<META CONTENT='0; URL="https://example.org/"' HTTP-EQUIV=Refresh>`:            true,
		`<meta/http-equiv=refresh content=0;//example.org>`:                            true,
		`<meta http-equiv=refresh content="3,\\example.org">`:                          true,
		`<meta http-equiv=refresh content="0;url=http&colon;&sol;&sol;example.org">`:   true,
		`<meta http-equiv=re&#102;resh content="0;url=ht&Tab;tp://example.org">`:       true,
		`<meta name=a content="x>y" http-equiv=refresh><meta content=0>`:               false,
		`<!-- <meta a=" --><meta http-equiv=refresh content="0;url=//example.org">`:    true,
		`<h:meta xmlns:h="x" http-equiv="refresh" content="0;url=//example.org"/>`:     true,
		`<base href="https://example.org/"><meta http-equiv=refresh content=0;url=a>`:  true,
		`<base href="https://example.org/"><meta http-equiv=refresh content=0>`:        false,
		`<meta http-equiv="refresh" content="300">`:                                    false,
		`<meta http-equiv="refresh" content="5;url=">`:                                 false,
		`<meta http-equiv="refresh" content="5;url=next.html">`:                        false,
		`<meta http-equiv="content-type" content="text/html; charset=utf-8">`:          false,
		`<meta name=description content="refresh; url=http://example.org">`:            false,
		`<meta http-equiv=x http-equiv=refresh content="0;url=//example.org"> refresh`: false,
	} {
		for _, name := range []string{"a.html", "a.xhtml", "a.htm"} {
			a := scanFile(t, name, []byte("<html><head>"+element+"</head></html>"))
			if got := contains(a.Reasons, HTMLRedirect); got != away || away != (a.Verdict == Suspicious) {
				t.Errorf("%s, %s: %s %v", name, element, a.Verdict, a.Reasons)
			}
		}
	}
	want(t, scanFile(t, "a.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><meta xmlns="http://www.w3.org/1999/xhtml" http-equiv="refresh" content="0;url=//example.org"/></svg>`)), Suspicious, HTMLRedirect)
	want(t, scanFile(t, "a.xhtml", []byte(`<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><meta http-equiv="refresh" content="0;url=//example.org"/></head></html>`)), Suspicious, HTMLRedirect)
}

func TestPagesThatShowThoseOfAnotherSiteAreNamed(t *testing.T) {
	for element, away := range map[string]bool{
		`<iframe src="https://example.org/" style="position:fixed;width:100%;height:100%"></iframe>`: true,
		`<IFRAME SRC=//example.org/></IFRAME>`:                                                       true,
		`<iframe src="ht&Tab;tps:\\example.org"></iframe>`:                                           true,
		`<frameset><frame src="http://example.org/"></frameset>`:                                     true,
		`<object data="http://example.org/x"></object>`:                                              true,
		`<embed src="http://example.org/a.svg">`:                                                     true,
		`<base href="https://example.org/"><iframe src="a"></iframe>`:                                true,
		`<base href="https://example.org/"><iframe src="about:blank">`:                               false,
		`<base href="https://example.org/"><img src="a">`:                                            false,
		`<iframe src="about:blank"></iframe><iframe></iframe>`:                                       false,
		`<iframe src="cid:frame-1@mhtml.blink"></iframe>`:                                            false,
		`<iframe src="a_files/b.html"></iframe>`:                                                     false,
		`<object type="image/png" data="a.png"></object>`:                                            false,
		`<img src="https://example.org/a.png">`:                                                      false,
		`<p>an object data = "http://example.org/"</p>`:                                              false,
	} {
		a := scanFile(t, "a.html", []byte("<html><body>"+element+"</body></html>"))
		if got := contains(a.Reasons, HTMLRedirect); got != away || away != (a.Verdict == Suspicious) {
			t.Errorf("%s: %s %v", element, a.Verdict, a.Reasons)
		}
	}
}

func TestTheEntitiesOfAPageAreOfItsAddresses(t *testing.T) {
	page := `<?xml version="1.0"?><!DOCTYPE html [<!ENTITY a "ht"><!ENTITY b 'tps:'><!ENTITY t "pass">]><html xmlns="http://www.w3.org/1999/xhtml">`
	want(t, scanFile(t, "a.xhtml", []byte(page+`<iframe src="&a;&b;//example.org/"/></html>`)), Suspicious, HTMLRedirect)
	want(t, scanFile(t, "a.xml", []byte(page+`<meta http-equiv="refresh" content="0;url=&a;tp://example.org/"/></html>`)), Suspicious, HTMLRedirect)
	want(t, scanFile(t, "a.xhtml", []byte(page+`<input type="&t;word"/></html>`)), Suspicious, HTMLCredentialForm)
	want(t, scanFile(t, "a.xhtml", []byte(page+`<p>&a;&b;//example.org/</p></html>`)), Clean)
}

func TestAPageThatBeginsElementsWithoutEndIsReadWithinBounds(t *testing.T) {
	page := []byte(strings.Repeat("<meta ", 100_000) + "refresh")
	if !redirects(page) {
		t.Error("not taken for one that hides something")
	}
}

func FuzzRedirect(f *testing.F) {
	f.Add([]byte(`<meta http-equiv="refresh" content="0;url=http://example.org/">`))
	f.Add([]byte(`<base href=//example.org><h:meta a = ' http-equiv=refresh content=;url='a>`))
	f.Fuzz(func(_ *testing.T, page []byte) { redirects(page) })
}
