package clean

import (
	"slices"
	"strings"
	"testing"
)

// The forms are those that the redirectors' makers document, or that their links
// have in published mails.
func TestLinksAreFollowedThroughRedirectorsOnPaper(t *testing.T) {
	for href, want := range map[string]string{
		"https://eur03.safelinks.protection.outlook.com/?url=https%3A%2F%2Fwww.bank.example%2Flogin&amp;data=05%7C01&amp;reserved=0":                                                           "www.bank.example",
		"https://urldefense.proofpoint.com/v1/url?u=http://www.bouncycastle.org/&amp;k=oIvRg1":                                                                                                 "www.bouncycastle.org",
		"https://urldefense.proofpoint.com/v2/url?u=http-3A__links.mkt3337.com_ctt-3Fkn-3D3-26ms-3DMzQ3Mg&amp;d=DQMCaQ":                                                                        "links.mkt3337.com",
		"https://urldefense.com/v3/__https://google.com:443/search?q=a*test&amp;gs=ps__;Kw!-612Flbf0JvQ3kNJkRi5Jg!Ue6tQudNKaShHg93trcdjqDP8se2ySE65jyCIe2K1D_uNjZ1Lnf6YLQERujngZv9UWf66ujQIQ$": "google.com",
		"https://linkprotect.cudasvc.com/url?a=https%3a%2f%2fevil.example%2fx&amp;c=E,1":                                                                                                       "evil.example",
		"https://www.google.com/url?q=https://evil.example/&amp;sa=D":                                                                                                                          "evil.example",
		"https://l.facebook.com/l.php?u=https%3A%2F%2Fevil.example%2F&amp;h=AT0":                                                                                                               "evil.example",
		"https://deref-gmx.net/mail/client/abc/dereferrer/?redirectUrl=https%3A%2F%2Fevil.example":                                                                                             "evil.example",
		"https://secure-web.cisco.com/1abcDEF/https%3A%2F%2Fevil.example%2Fpath":                                                                                                               "evil.example",
		"https://slack-redir.net/link?url=https%3A%2F%2Fwww.google.com%2Furl%3Fq%3Dhttps%253A%252F%252Fdeep.example%252F":                                                                      "deep.example",
		"https://href.li/?https://evil.example/":                                                                                                                                               "evil.example",
		"https://www.google.com/search?q=https://bank.example":                                                                                                                                 "www.google.com",
		"https://eur03.safelinks.protection.outlook.com/?url=javascript%3Aalert(1)":                                                                                                            "eur03.safelinks.protection.outlook.com",
	} {
		result := cleaned(t, `<a href="`+href+`">open</a>`, Options{})
		if len(result.Links) != 1 || result.Links[0].Host != want {
			t.Errorf("%s leads to %+v, want %s", href, result.Links, want)
		}
		if !strings.Contains(result.HTML, "["+want) {
			t.Errorf("%s: %q does not show %s", href, result.HTML, want)
		}
	}
}

func TestASafeLinkToTheHostThatItsTextNamesIsNoDeceit(t *testing.T) {
	for _, text := range []string{"www.bank.example", "https://eur03.safelinks.protection.outlook.com/?url=…"} {
		result := cleaned(t, `<a href="https://eur03.safelinks.protection.outlook.com/?url=https%3A%2F%2Fwww.bank.example%2F">`+text+`</a>`, Options{})
		if result.Links[0].Mismatch {
			t.Errorf("%s: %+v", text, result.Links[0])
		}
	}
	result := cleaned(t, `<a href="https://www.google.com/url?q=https://evil.example/">https://www.paypal.com</a>`, Options{})
	if l := result.Links[0]; !l.Mismatch || l.Via != "www.google.com" || !strings.Contains(result.HTML, "[leads to evil.example, not to www.paypal.com, through www.google.com]") {
		t.Errorf("%+v, %q", l, result.HTML)
	}
}

func TestHostsThatAreNotWhatTheySeemAreFlagged(t *testing.T) {
	for href, want := range map[string]struct {
		deceit Deceit
		words  string
	}{
		"http://192.0.2.1/login":         {BareNumber, "[leads to 192.0.2.1, a number and no name]"},
		"http://[2001:db8::1]/":          {BareNumber, "[leads to [2001:db8::1], a number"},
		"http://0x7f.1/":                 {BareNumber, "[leads to 0x7f.1, a number"},
		"http://3232235777/":             {BareNumber, "[leads to 3232235777, a number"},
		"https://раураl.com/":            {Imitation, "whose letters imitate others]"}, // Cyrillic but for the l
		"https://xn--80ak6aa92e.com/":    {Imitation, "whose letters imitate others]"}, // Xudong Zheng's apple.com, 2017
		"https://www.pаypal.com/":        {Imitation, "whose letters imitate others]"},
		"https://bank.com@evil.example/": {Userinfo, "[evil.example]"},
		"https://bit.ly/3abc":            {Shortened, "[bit.ly, which does not tell where it leads]"},
		"https://bücher.example/":        {"", "[xn--bcher-kva.example (bücher.example)]"},
		"https://пример.рф/":             {"", "[xn--e1afmkfd.xn--p1ai (пример.рф)]"},
		"https://日本語.jp/":                {"", "(日本語.jp)]"},
		"https://user@example.org/":      {"", "[example.org]"},
	} {
		result := cleaned(t, `<a href="`+href+`">click</a>`, Options{})
		if len(result.Links) != 1 {
			t.Errorf("%s: %+v", href, result.Links)
			continue
		}
		link := result.Links[0]
		if want.deceit == "" && len(link.Deceits) > 0 || want.deceit != "" && !slices.Contains(link.Deceits, want.deceit) || !strings.Contains(result.HTML, want.words) {
			t.Errorf("%s: %v, %q", href, link.Deceits, result.HTML)
		}
	}
}

func TestTextThatNamesAnotherHostInAnyWayIsFlagged(t *testing.T) {
	for _, text := range []string{
		"www.bank.com", "bank.com/login", "HTTPS://BANK.COM", "https://b&#97;nk.com", "b&#x200b;ank.com", "ｂａｎｋ.com", "ban<b>k.c</b>om", "evil.org = www.bank.com",
		"support@bank.com", "(bank.com)", "»bank.com«", "bücher.de", "b&shy;ank.com",
	} {
		result := cleaned(t, `<a href="https://evil.org/x">`+text+`</a>`, Options{})
		if !result.Links[0].Mismatch {
			t.Errorf("%q: %+v", text, result.Links[0])
		}
	}
	for _, text := range []string{"click here", "node.js", "evil.org", "www.evil.org", "v1.2", "e.g. this", "Mr.Smith", "3.50", "report.pdf", "photos.zip", "README.md"} {
		result := cleaned(t, `<a href="https://evil.org/x">`+text+`</a>`, Options{})
		if result.Links[0].Mismatch {
			t.Errorf("%q: %+v", text, result.Links[0])
		}
	}
}

func TestPlainTextThatNamesAnImitationIsKnown(t *testing.T) {
	for text, want := range map[string]bool{
		"see https://www.pаypal.com/login now": true, "www.раураl.com": true, "open http://xn--80ak6aa92e.com": true,
		"see https://www.paypal.com/login": false, "grüße von www.bücher.example": false, "привет https://пример.рф/": false, "日本 https://日本語.jp": false, "": false,
	} {
		if got := Imitates(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
