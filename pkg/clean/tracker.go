package clean

import "strings"

// trackerHosts names the vendors whose image hosts serve to count readers. A
// host belongs to an entry when it equals it or ends in a dot and it.
var trackerHosts = map[string]string{
	"list-manage.com": "Mailchimp", "mailchimp.com": "Mailchimp", "mandrillapp.com": "Mandrill",
	"sendgrid.net": "SendGrid", "sendgrid.com": "SendGrid", "ct.sendgrid.net": "SendGrid",
	"mailgun.org": "Mailgun", "mgsend.net": "Mailgun", "sparkpostmail.com": "SparkPost",
	"pstmrk.it": "Postmark", "mjt.lu": "Mailjet", "mailjet.com": "Mailjet",
	"sendinblue.com": "Brevo", "sendibm1.com": "Brevo", "sendibm3.com": "Brevo", "sendibt3.com": "Brevo",
	"hubspotemail.net": "HubSpot", "hubspot.com": "HubSpot", "hs-email.click": "HubSpot", "hubspotlinks.com": "HubSpot",
	"exct.net": "Salesforce", "exacttarget.com": "Salesforce", "pardot.com": "Salesforce",
	"mktoresp.com": "Marketo", "marketo.com": "Marketo", "mkt-track.com": "Marketo",
	"klaviyomail.com": "Klaviyo", "klclick.com": "Klaviyo", "klclick1.com": "Klaviyo",
	"braze.com": "Braze", "iterable.com": "Iterable", "customeriomail.com": "Customer.io", "customer.io": "Customer.io",
	"intercom-mail.com": "Intercom", "via.intercom.io": "Intercom", "mixpanel.com": "Mixpanel",
	"constantcontact.com": "Constant Contact", "ccsend.com": "Constant Contact", "rs6.net": "Constant Contact",
	"createsend.com": "Campaign Monitor", "cmail19.com": "Campaign Monitor", "cmail20.com": "Campaign Monitor",
	"getresponse.com": "GetResponse", "aweber.com": "AWeber", "activehosted.com": "ActiveCampaign", "acemlnb.com": "ActiveCampaign",
	"convertkit-mail.com": "ConvertKit", "convertkit-mail2.com": "ConvertKit", "drip.com": "Drip", "getdrip.com": "Drip",
	"mailtrack.io": "Mailtrack", "yesware.com": "Yesware", "bananatag.com": "Bananatag", "getnotify.com": "GetNotify",
	"streak.com": "Streak", "mailfoogae.appspot.com": "Streak", "superhuman.com": "Superhuman", "mixmax.com": "Mixmax",
	"cirrusinsight.com": "Cirrus Insight", "toutapp.com": "ToutApp", "outreach.io": "Outreach", "salesloft.com": "SalesLoft",
	"google-analytics.com": "Google Analytics", "doubleclick.net": "DoubleClick", "litmus.com": "Litmus", "emltrk.com": "Litmus",
	"returnpath.net": "Return Path", "movableink.com": "Movable Ink", "liveclicker.net": "Liveclicker",
	"criteo.com": "Criteo", "facebook.com": "Facebook", "awstrack.me": "Amazon SES", "omniture.com": "Adobe", "2o7.net": "Adobe",
	"emarsys.net": "Emarsys", "inxmail.com": "Inxmail", "cleverreach.com": "CleverReach", "rapidmail.de": "rapidmail",
	"newsletter2go.com": "Newsletter2Go", "optivo.com": "Optivo", "srv2.de": "Optivo", "episerver.net": "Optivo",
}

// trackerName names the vendor behind a host, "" where none is known.
func trackerName(host string) string {
	for host != "" {
		if name, ok := trackerHosts[host]; ok {
			return name
		}
		_, host, _ = strings.Cut(host, ".")
	}
	return ""
}

// remoteHost gives the host that fetching a URL would tell; a URL without a
// scheme counts, as some readers complete it.
func remoteHost(raw string) (host string, remote bool) {
	raw = trimURL(raw)
	scheme, rest := "http", raw
	bare := strings.HasPrefix(raw, "//") || strings.HasPrefix(raw, `\\`)
	if !bare {
		var ok bool
		if scheme, rest, ok = strings.Cut(raw, ":"); !ok {
			return "", false
		}
	}
	if scheme = visible(onOneLine(scheme)); scheme == "http" || scheme == "https" {
		if host, _, _, ok := webParts(onOneLine(rest)); ok {
			return host, true
		}
	}
	lower := strings.ToLower(cutText(raw, 8))
	return "", bare || strings.HasPrefix(lower, "http:") || strings.HasPrefix(lower, "https:") || strings.HasPrefix(lower, "ftp:")
}
