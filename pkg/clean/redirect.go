package clean

import (
	"net/url"
	"strings"
)

// A redirector is a service whose links carry in themselves where they lead: what
// companies put around links to look at them, and what sites count clicks with.
type redirector struct {
	path   string   // how the path begins; "" for any
	params []string // of the query, any of which may hold the address; "" for the whole query
}

// redirectors are by host; one belongs to an entry when it equals it or ends in a
// dot and it.
var redirectors = map[string]redirector{
	"safelinks.protection.outlook.com":  {"", []string{"url"}},
	"safelinks.protection.office365.us": {"", []string{"url"}},
	"safelinks.protection.outlook.cn":   {"", []string{"url"}},
	"statics.teams.cdn.office.net":      {"/evergreen-assets/safelinks", []string{"url"}},
	"urldefense.proofpoint.com":         {"", []string{"u"}},
	"linkprotect.cudasvc.com":           {"/url", []string{"a"}},
	"urlsand.esvalabs.com":              {"", []string{"u"}},
	"clicktime.symantec.com":            {"", []string{"u"}},
	"imsva91-ctp.trendmicro.com":        {"", []string{"url"}},
	"ctp.trendmicro.com":                {"", []string{"url"}},
	"trendmicro.com":                    {"/wis/clicktime", []string{"url"}},
	"secure-web.cisco.com":              {"", nil},
	"deref-gmx.net":                     {"", []string{"redirecturl"}},
	"deref-gmx.com":                     {"", []string{"redirecturl"}},
	"deref-web.de":                      {"", []string{"redirecturl"}},
	"deref-web-02.de":                   {"", []string{"redirecturl"}},
	"deref-mail.com":                    {"", []string{"redirecturl"}},
	"deref-1und1.de":                    {"", []string{"redirecturl"}},
	"google.com":                        {"/url", []string{"q", "url"}},
	"google.de":                         {"/url", []string{"q", "url"}},
	"google.co.uk":                      {"/url", []string{"q", "url"}},
	"google.fr":                         {"/url", []string{"q", "url"}},
	"googleadservices.com":              {"", []string{"adurl"}},
	"youtube.com":                       {"/redirect", []string{"q"}},
	"facebook.com":                      {"/l.php", []string{"u"}},
	"l.facebook.com":                    {"", []string{"u"}},
	"lm.facebook.com":                   {"", []string{"u"}},
	"l.messenger.com":                   {"", []string{"u"}},
	"l.instagram.com":                   {"", []string{"u"}},
	"l.threads.com":                     {"", []string{"u"}},
	"linkedin.com":                      {"/", []string{"url"}},
	"slack-redir.net":                   {"/link", []string{"url"}},
	"steamcommunity.com":                {"/linkfilter", []string{"u", "url"}},
	"vk.com":                            {"/away.php", []string{"to"}},
	"t.umblr.com":                       {"/redirect", []string{"z"}},
	"out.reddit.com":                    {"", []string{"url"}},
	"disq.us":                           {"/url", []string{"url"}},
	"duckduckgo.com":                    {"/l/", []string{"uddg"}},
	"exit.sc":                           {"", []string{"url"}},
	"href.li":                           {"", []string{""}},
	"click.linksynergy.com":             {"", []string{"murl", "u"}},
	"awin1.com":                         {"", []string{"ued", "p"}},
	"go.redirectingat.com":              {"", []string{"url"}},
	"shareasale.com":                    {"/r.cfm", []string{"urllink"}},
	"translate.google.com":              {"", []string{"u"}},
	"url.avanan.click":                  {"", nil},
	"protection.sophos.com":             {"", []string{"d"}},
	"us.report.cybergraph.mimecast.com": {"", []string{"magiclink"}},
	"l.workplace.com":                   {"", []string{"u"}},
	"email.mg.substack.com":             {"", []string{"url"}},
	"nam.safelink.emails.azure.net":     {"/redirect", []string{"destination"}},
	"eur.safelink.emails.azure.net":     {"/redirect", []string{"destination"}},
	"link.edgepilot.com":                {"/s/", []string{"u"}},
	"linkscan.io":                       {"", []string{"url"}},
}

// shorteners are hosts whose links do not tell where they lead.
var shorteners = wordSet(`bit.ly bitly.com j.mp t.co tinyurl.com goo.gl ow.ly is.gd v.gd buff.ly rebrand.ly cutt.ly rb.gy lnkd.in t.ly shorturl.at shorturl.asia
	tiny.cc tiny.one bl.ink s.id amzn.to amzn.eu fb.me trib.al dlvr.it urlz.fr kurzelinks.de kutt.it clck.ru vk.cc shrtco.de short.io soo.gd x.co
	adf.ly bc.vc ouo.io u.to qr.ae qrco.de l.ead.me t2m.io snip.ly spoo.me surl.li tr.im mcaf.ee ift.tt wp.me g.co lnk.bio linktr.ee a.co
	forms.gle maps.app.goo.gl page.link app.link onelink.me 0rz.tw reurl.cc lihi.cc suo.im url.cn dwz.cn t.cn`)

func wordSet(words string) map[string]bool {
	list := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		list[word] = true
	}
	return list
}

// proofpoint turns its second way of escaping into the common one.
var proofpoint = strings.NewReplacer("-", "%", "_", "/")

// maxRedirects bounds the links within links that are followed on paper.
const maxRedirects = 4

// destination follows a link through the redirectors that tell where it leads. It
// gives the host at the end, and the first redirector's, "" for none.
func destination(t target) (end target, via string) {
	end = t
	for range maxRedirects {
		next, ok := unwrap(end)
		if !ok {
			break
		}
		if via == "" {
			via = t.host
		}
		end = next
	}
	return end, via
}

// unwrap reads the address that a redirector's link carries.
func unwrap(t target) (target, bool) {
	r, known := redirectorOf(t.host)
	if !known && t.host != "urldefense.com" && t.host != "urldefense.us" {
		return target{}, false
	}
	_, rest, _ := strings.Cut(t.url, "://")
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return target{}, false
	}
	path, query, _ := strings.Cut(rest[slash:], "?")
	query, _, _ = strings.Cut(query, "#")
	switch {
	case !known: // https://urldefense.com/v3/__https://host/path__;!!…
		_, inner, ok := strings.Cut(rest[slash:], "/v3/__")
		if !ok {
			return target{}, false
		}
		inner, _, _ = strings.Cut(inner, "__;")
		if scheme, after, ok := strings.Cut(inner, ":/"); ok && !strings.HasPrefix(after, "/") { // one slash is enough to it
			inner = scheme + "://" + after
		}
		return carried(inner)
	case r.params == nil: // the path's last step is the address
		if at := strings.LastIndexByte(path, '/'); at >= 0 {
			if next, ok := carriedEscaped(path[at+1:]); ok {
				return next, true
			}
		}
		if at := strings.Index(path, "___http"); at >= 0 {
			inner, _, _ := strings.Cut(path[at+3:], "___")
			return carried(inner)
		}
		return target{}, false
	case !strings.HasPrefix(path, r.path):
		return target{}, false
	}
	for pair := range strings.SplitSeq(strings.ReplaceAll(query, "&amp;", "&"), "&") {
		name, value, _ := strings.Cut(pair, "=")
		name = strings.ToLower(name)
		for _, param := range r.params {
			if param == "" {
				value, name = query, ""
			}
			if name != param {
				continue
			}
			if t.host == "urldefense.proofpoint.com" && strings.HasPrefix(path, "/v2/") {
				value = proofpoint.Replace(value)
			}
			if next, ok := carriedEscaped(value); ok {
				return next, true
			}
		}
	}
	return target{}, false
}

func redirectorOf(host string) (redirector, bool) {
	for host != "" {
		if r, ok := redirectors[host]; ok {
			return r, true
		}
		_, host, _ = strings.Cut(host, ".")
	}
	return redirector{}, false
}

func carriedEscaped(value string) (target, bool) {
	plain, err := url.QueryUnescape(value)
	if err != nil {
		return target{}, false
	}
	return carried(plain)
}

// carried reads an address that a link carries. Sophos names a host alone.
func carried(address string) (target, bool) {
	lower := strings.ToLower(cutText(address, len("https://")))
	if !strings.HasPrefix(lower, "http://") && !strings.HasPrefix(lower, "https://") {
		if strings.ContainsAny(address, ":/?") || !strings.Contains(address, ".") {
			return target{}, false
		}
		address = "http://" + address
	}
	t, refused := readURL(address)
	return t, refused == accepted && !strings.HasPrefix(t.url, "mailto:")
}
