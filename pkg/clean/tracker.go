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
	"mcsv.net": "Mailchimp", "rsgsv.net": "Mailchimp", "sparkpostmail2.com": "SparkPost", "sparkpostelite.com": "SparkPost",
	"sendinblue.email": "Brevo", "brevo.com": "Brevo", "sibautomation.com": "Brevo", "hubspotemail.com": "HubSpot", "hs-sites.com": "HubSpot", "hubspotstarter.net": "HubSpot",
	"sfmc-content.com": "Salesforce", "s10.exacttarget.com": "Salesforce", "mkto-ab.com": "Marketo", "mktossl.com": "Marketo",
	"eloqua.com": "Oracle Eloqua", "en25.com": "Oracle Eloqua", "responsys.net": "Oracle Responsys", "rsys2.net": "Oracle Responsys", "bronto.com": "Oracle Bronto", "bm23.com": "Oracle Bronto",
	"adobe-campaign.com": "Adobe Campaign", "campaign.adobe.com": "Adobe Campaign", "neolane.net": "Adobe Campaign", "demdex.net": "Adobe", "omtrdc.net": "Adobe",
	"sailthru.com": "Sailthru", "mparticle.com": "mParticle", "segment.io": "Segment", "amplitude.com": "Amplitude", "appboy.com": "Braze", "leanplum.com": "Leanplum", "moengage.com": "MoEngage",
	"clevertap.com": "CleverTap", "insider.com.tr": "Insider", "useinsider.com": "Insider", "onesignal.com": "OneSignal", "pushwoosh.com": "Pushwoosh", "vero.co": "Vero", "ometria.email": "Ometria",
	"dotmailer.com": "Dotdigital", "dotdigital.com": "Dotdigital", "trackedlink.net": "Dotdigital", "emlfiles4.com": "Mimecast", "mailerlite.com": "MailerLite", "mlsend.com": "MailerLite", "ml-attr.com": "MailerLite",
	"moosend.com": "Moosend", "sendpulse.com": "SendPulse", "sendpul.se": "SendPulse", "elasticemail.com": "Elastic Email", "mailersend.net": "MailerSend", "smtp2go.com": "SMTP2GO", "smtp.com": "SMTP.com",
	"turbo-smtp.com": "turboSMTP", "socketlabs.com": "SocketLabs", "pepipost.com": "Netcore", "netcorecloud.net": "Netcore", "zohocampaigns.com": "Zoho", "zcsend.net": "Zoho", "maillist-manage.com": "Zoho",
	"benchmarkemail.com": "Benchmark", "bmetrack.com": "Benchmark", "icontact.com": "iContact", "ontraport.com": "Ontraport", "infusionsoft.com": "Keap", "keap.app": "Keap", "madmimi.com": "Mad Mimi",
	"verticalresponse.com": "VerticalResponse", "vresp.com": "VerticalResponse", "emma.email": "Emma", "e2ma.net": "Emma", "myemma.com": "Emma", "listrak.com": "Listrak", "listrakbi.com": "Listrak",
	"cordial.com": "Cordial", "attentivemobile.com": "Attentive", "beehiiv.com": "beehiiv", "substack.com": "Substack", "ghost.io": "Ghost", "buttondown.email": "Buttondown", "revue.email": "Revue",
	"hotjar.com": "Hotjar", "mc.yandex.ru": "Yandex Metrica", "unisender.com": "UniSender", "sendsay.ru": "Sendsay", "mindbox.ru": "Mindbox", "getcourse.ru": "GetCourse", "freshmail.com": "FreshMail",
	"salesmanago.pl": "SALESmanago", "edrone.me": "edrone", "mailup.com": "MailUp", "contactlab.it": "Contactlab", "sarbacane.com": "Sarbacane", "mailpro.com": "Mailpro", "actito.be": "Actito", "actito.com": "Actito",
	"selligent.com": "Selligent", "slgnt.eu": "Selligent", "copernica.com": "Copernica", "spotler.com": "Spotler", "laposta.nl": "Laposta", "apsis.com": "Apsis", "anpdm.com": "Apsis", "rule.se": "Rule", "paloma.se": "Paloma",
	"mailworx.info": "mailworx", "dialog-mail.com": "Dialog-Mail", "klick-tipp.com": "KlickTipp", "klicktipp.com": "KlickTipp", "promio.net": "promio", "artegic.net": "artegic", "agnitas.de": "AGNITAS", "xqueue.com": "Maileon",
	"maileon.com": "Maileon", "evalanche.com": "Evalanche", "sc-networks.com": "Evalanche", "episerver.com": "Optivo", "mailbutler.io": "Mailbutler", "boomeranggmail.com": "Boomerang", "mailspring.com": "Mailspring", "hunter.io": "Hunter",
	"lemlist.com": "lemlist", "instantly.ai": "Instantly", "smartlead.ai": "Smartlead", "apollo.io": "Apollo", "reply.io": "Reply", "woodpecker.co": "Woodpecker", "snov.io": "Snov.io", "gmass.co": "GMass", "gml.email": "GMass",
	"mailtag.io": "MailTag", "readnotify.com": "ReadNotify", "didtheyreadit.com": "DidTheyReadIt", "whoreadme.com": "WhoReadMe", "pointofmail.com": "Point of Mail", "rpost.net": "RPost", "front.com": "Front", "frontapp.com": "Front",
	"helpscout.net": "Help Scout", "freshdesk.com": "Freshworks", "freshemail.io": "Freshworks", "zendesk.com": "Zendesk", "groovehq.com": "Groove", "drift.com": "Drift", "crisp.chat": "Crisp", "crisp.email": "Crisp",
	"ads.linkedin.com": "LinkedIn", "ads-twitter.com": "X", "bat.bing.com": "Microsoft Ads", "adsrvr.org": "The Trade Desk", "taboola.com": "Taboola", "outbrain.com": "Outbrain",
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
