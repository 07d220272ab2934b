package browser

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/desk/desktest"
)

// A gallery is a desk with mails of every sort.
type gallery struct {
	*desktest.World
	plain, long, japanese, arabic, files, forged, gone, lookalike, newsletter, sealed, shut, told string
	aside, stuck, leaving                                                                         string // items
}

func evidence(verdict, spf, dkim, dmarc string, reasons ...string) []byte {
	return fmt.Appendf(nil, `{"verdict":%q,"reasons":["%s"],"spf":{"result":%q,"domain":"mail.example.org","client_ip":"192.0.2.17"},"dkim":[{"result":%q,"domain":"example.org","selector":"s1","reason":""}],"dmarc":{"result":%q,"policy":"reject","record_domain":"example.org"},"arc":{"result":"none"},"signatures":[]}`,
		verdict, strings.Join(reasons, `","`), spf, dkim, dmarc)
}

// rested is what a verdict rested on, as long and as hard to break into lines as strangers make it.
func rested(t testing.TB) []byte {
	t.Helper()
	key := "v=DKIM1; k=rsa; p=" + strings.Repeat("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", 12)
	at := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	packed, err := mailauth.NewDossier(mailauth.Result{Evidence: mailauth.Evidence{
		Questions: []dns.Question{
			{Type: dns.TXT, Name: "a-selector-of-some-length._domainkey.a-domain-of-some-length.example.com", Status: "ok", At: at, Answer: dns.Answer{Texts: []string{key}, TTL: time.Hour}},
			{Type: dns.PTR, Name: strings.Repeat("0.", 32) + "ip6.arpa", Status: "nxdomain", At: at},
			{Type: dns.MX, Name: "example.com", Status: "ok", At: at, Answer: dns.Answer{MX: []dns.Exchange{{Pref: 10, Host: "mx.example.com"}}}},
		},
		Headers: []string{
			"Received: from out.example.com (out.example.com [192.0.2.17]) by mx.example.org (Postfix) with ESMTPS id 1; Sun, 22 Nov 2026 09:30:00 +0000\r\n",
			"ARC-Authentication-Results: i=1; mx.example.org; dmarc=pass header.from=example.com\r\n",
			"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; b=" + strings.Repeat("goOGfIrT1gwZLGOPVG8KgK6shj8B86gt", 12) + "\r\n",
		},
	}}, mailauth.Options{}).Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func newGallery(t testing.TB) gallery {
	t.Helper()
	g := gallery{World: desktest.New(t, func(c *desk.Config) { c.Demo = true })}
	add := func(earlier time.Duration, card *contentv1.Card, message *contentv1.Message, change ...func(*desktest.Mail)) string {
		if card.ScanVerdict == "" {
			card.ScanVerdict = "clean"
		}
		m := desktest.Mail{Card: card, Message: message, Raw: "From: x\r\n\r\nx", Earlier: earlier}
		for _, c := range change {
			c(&m)
		}
		return g.Ticket(m)
	}
	passed := evidence("authenticated", "pass", "pass", "pass", "dmarc_pass", "dkim_aligned", "spf_aligned")
	for i, subject := range []string{"Where is my parcel?", "Invoice 4711 is wrong", "Kündigung meines Vertrags", "Password does not work any more"} {
		add(time.Duration(i*3+26)*time.Hour, &contentv1.Card{Subject: subject, FromName: []string{"Jonas Weber", "Ines Oliveira", "Zoë Krüger", "Liam O’Brien"}[i], FromAddress: "customer@example.org", SenderVerdict: "authenticated", Snippet: "Hello, I have been waiting for two weeks now and would like to know when it comes.", Kind: "person"},
			&contentv1.Message{Text: "Hello.", Sender: passed})
	}
	g.gone = add(700*time.Hour, &contentv1.Card{Subject: "old"}, &contentv1.Message{})
	g.Certify("01JD6ZQ7KT3S8W4N2M5P9R0V1X", `{"certificate":{"version":1,"certificate":"01JD6ZQ7KT3S8W4N2M5P9R0V1X","plan":"01JD6ZQ7KT3S8W4N2M5P9R0V1P","cause":"expiry","policy":{"name":"default","digest":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},"times":{"planned":"2026-11-20T03:00:00Z","packets_removed":"2026-11-20T03:00:01Z","keys_forgotten":"2026-11-20T03:00:02Z","checked":"2026-11-20T03:00:03Z"},"salt":"00","items":[{"item":"0123456789abcdef0123456789abcdef","layer":"raw","keys":"gone","ciphertext":"gone","versions":1},{"item":"fedcba9876543210fedcba9876543210","layer":"view","keys":"gone","ciphertext":"locked","versions":0,"locked_until":"2027-01-01"}],"buckets":[{"bucket":"standard.raw.20261119.1"}],"cell":{"kind":"file","generation":7,"limits":"The root key is overwritten in place and synced. Flash media may keep the old block until they reuse it."},"checks":[{"code":"buckets_forgotten","count":1,"result":"no keyring holds their keys"},{"code":"objects_listed","count":1,"result":"no version, marker or unfinished upload is left"},{"code":"read_models_scrubbed","count":2,"result":"no cell of these layers is left"}],"issuer":"a1b2c3d4e5f60718","issued":"2026-11-20T03:00:04Z"},"signature":"c2ln"}`)
	g.Plan(&retentionv1.Planned{Plan: "01JD6ZQ7KT3S8W4N2M5P9R0V1P", Cause: "expiry", Time: timestamppb.New(g.Now()), Targets: make([]*retentionv1.Target, 2), Buckets: []string{"b"}})
	for _, kind := range []itemv1.LayerKind{itemv1.LayerKind_LAYER_KIND_RAW, itemv1.LayerKind_LAYER_KIND_VIEW} {
		g.Destroy(g.gone, kind, "01JD6ZQ7KT3S8W4N2M5P9R0V1X")
	}
	g.stuck = g.SetAside("killed_worker", "scan")
	g.aside = g.SetAside("oversize", "ingest")
	for i, answer := range [][2]string{{"", "01JD6ZQ7KT3S8W4N2M5P9R0V1X"}, {"held", ""}, {"", ""}} {
		g.leaving = g.SetAside("patience_exhausted", "verify")
		if err := g.Wish(t.Context(), g.leaving, "lena", []string{"spam", "asked_for:CASE-4711", "duplicate:CASE-4712"}[i]); err != nil {
			t.Fatal(err)
		}
		g.Answer(answer[0], answer[1])
	}
	g.arabic = add(5*time.Hour, &contentv1.Card{Subject: "استفسار عن الطلب رقم 4711", FromName: "أحمد علي", FromAddress: "ahmed@example.org", SenderVerdict: "authenticated", Snippet: "مرحبا، أريد أن أعرف متى يصل طلبي رقم 4711 من فضلكم.", Kind: "person"},
		&contentv1.Message{Text: "مرحبا،\n\nأريد أن أعرف متى يصل طلبي رقم 4711 من فضلكم.\n\nThe tracking number is 1Z999AA10123456784.\n\nشكرا\nأحمد", To: []string{"support@example.com"}, Sender: passed})
	g.japanese = add(4*time.Hour, &contentv1.Card{Subject: "ご注文番号4711について：商品がまだ届いておりません", FromName: "山田 太郎", FromAddress: "yamada@example.jp", SenderVerdict: "unverified", Snippet: "お世話になっております。先週注文した商品がまだ届いておりません。", Kind: "person", Attachments: 1},
		&contentv1.Message{Text: "お世話になっております。\n\n先週注文した商品がまだ届いておりません。", Html: "<p>お世話になっております。</p><p>先週注文した商品がまだ届いておりません。</p><ul><li>注文番号 4711</li></ul>", To: []string{"support@example.com"},
			Sender: evidence("unverified", "none", "neutral", "none", "no_policy"), Attachments: []*contentv1.Attachment{{Name: "請求書（2026年11月）.pdf", Type: "application/pdf", Size: 48213, Verdict: "clean"}}},
		func(m *desktest.Mail) { m.Files = [][]byte{[]byte("%PDF")} })
	g.long = add(3*time.Hour, &contentv1.Card{Subject: "Re: Fwd: Re: AW: the thing we talked about on the telephone last Tuesday, concerning the delivery of Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft and https://example.org/a/very/long/address/without/any/place/to/break?it=0123456789012345678901234567890123456789",
		FromName: "Dr. Maximiliane-Charlotte Freifrau von und zu Hohenstein-Wittelsbach", FromAddress: "maximiliane-charlotte.hohenstein-wittelsbach@a-very-long-domain-name-for-a-company.example.org", SenderVerdict: "authenticated", Snippet: strings.Repeat("words and ", 14), Kind: "list", Attachments: 14, Masked: 3},
		&contentv1.Message{Text: strings.Repeat("A long mail says the same thing again. ", 120), Html: "<h2>Offer</h2><p>" + strings.Repeat("A long mail says the same thing again. ", 60) + `</p><table border=1><tr>` + strings.Repeat("<td>wide cell</td>", 24) + "</tr></table>",
			To: []string{"support@example.com", "Somebody Else <somebody.else@example.com>"}, Cc: []string{"one@example.com", "two@example.com", "three@example.com"}, Sender: passed})
	g.files = add(90*time.Minute, &contentv1.Card{Subject: "Refund to my account", FromName: "Erika Mustermann", FromAddress: "erika@example.org", SenderVerdict: "verified", ScanVerdict: "infected", Snippet: "Please send the money back to ‹iban ··3000 #1›.", Kind: "person", Attachments: 9, Masked: 4},
		&contentv1.Message{Text: "Hello,\n\nplease send the money back to ‹iban ··3000 #1›. My card was ‹payment_card ··1111 #2›.\n\nErika", To: []string{"support@example.com"}, Sender: passed, RemovedTrackers: 1, RemovedRemote: 4, RemovedActive: 2, ReplyTo: "Erika <erika@other.example>",
			Scan:  []byte(`{"attachments":[],"scan":{"verdict":"infected","reasons":["eicar_test_file","encrypted_archive","double_extension"]}}`),
			Masks: []*contentv1.Mask{{Kind: "iban", Token: "‹iban ··3000 #1›", Packet: 0}, {Kind: "payment_card", Token: "‹payment_card ··1111 #2›", Packet: 1}, {Kind: "se_personnummer", Token: "‹se_personnummer #3›", Packet: 2}, {Kind: "phone", Token: "‹phone ··20 #4›", Packet: 3}},
			Attachments: append([]*contentv1.Attachment{
				{Name: "receipt.pdf", Type: "application/pdf", Size: 48213, Verdict: "clean", Preview: "first_pages", Pages: []*contentv1.Page{{Type: "image/png", Width: 780, Height: 1100}, {Type: "image/png", Width: 1100, Height: 780}}},
				{Name: "photo of the box.jpg", Type: "image/jpeg", Size: 2348213, Verdict: "clean", Preview: "picture", Pages: []*contentv1.Page{{Type: "image/png"}}},
				{Name: "invoice.pdf.exe", Type: "application/x-msdownload", Size: 68, Verdict: "infected", Reasons: []string{"eicar_test_file", "double_extension"}, Packet: -1},
				{Name: "archive.zip", Type: "application/zip", Size: 9312, Verdict: "encrypted", Reasons: []string{"encrypted_archive"}, Packet: -1},
				{Name: strings.Repeat("a_name_without_any_place_to_break_", 6) + ".txt", Type: "text/plain", Size: 3, Verdict: "clean", Preview: "first_text", TextPacket: 1}},
				[]*contentv1.Attachment{{Name: "a.docx", Type: "application/vnd.openxmlformats-officedocument.wordprocessingml.document", Size: 3, Verdict: "clean", Preview: "none_program"}, {Name: "b.txt", Type: "text/plain", Size: 3, Verdict: "clean"}, {Name: "c.txt", Type: "text/plain", Size: 3, Verdict: "clean"}, {Type: "application/octet-stream", Size: 0, Verdict: "unsupported", Packet: -1}}...)},
		func(m *desktest.Mail) {
			m.Files = [][]byte{[]byte("1"), []byte("2"), []byte("3"), []byte("4"), []byte("5"), []byte("6")}
			m.Looks = [][]byte{pagePixels(t, 780, 1100), pagePixels(t, 1100, 780), pagePixels(t, 300, 200), []byte(strings.Repeat("date;order;amount;‹iban ··3000 #1›\n", 40) + strings.Repeat("wide ", 200))}
			m.Values = []*contentv1.Value{{Value: "DE89370400440532013000"}, {Value: "4111111111111111"}, {Value: "811218-9876"}, {Value: "+49 30 901820"}}
		})
	g.forged = add(12*time.Minute, &contentv1.Card{Subject: "URGENT: your mailbox is full", FromName: "IT Support", FromAddress: "it@example.com", SenderVerdict: "forged", Snippet: "Confirm your password within 24 hours.", Kind: "person"},
		&contentv1.Message{Text: "Confirm your password within 24 hours.", Html: `<p>Confirm your password within 24 hours: <a href="https://evil.example/x" rel="noopener noreferrer nofollow" target="_blank">example.com</a><span class="postern-mismatch"> [leads to evil.example, not to example.com]</span></p>`, To: []string{"support@example.com"},
			Sender: evidence("forged", "softfail", "fail", "fail", "policy_reject", "nothing_aligned", "spf_softfail"), Evidence: rested(t), Notices: []string{"misleading_link", "text_cut"}})
	g.lookalike = add(9*time.Minute, &contentv1.Card{Subject: "Action required: your salary statement", FromName: "Example Payroll", FromAddress: "payroll@exarnple.com", SenderVerdict: "authenticated", Snippet: "Your statement for November is ready.", Kind: "person"},
		&contentv1.Message{Text: "Your statement for November is ready.", Html: `<p>Your statement for November is ready.</p><p>Open it within the day.</p>`, To: []string{"support@example.com"},
			Sender: evidence("authenticated", "pass", "pass", "pass", "dkim_aligned", "dmarc_pass", "domain_looks_like_recipient")})
	g.newsletter = add(6*time.Minute, &contentv1.Card{Subject: "Five lamps for long evenings", FromName: "Lamp House", FromAddress: "news@lamps.example", SenderVerdict: "unverified", Snippet: "This week: lamps.", Kind: "list"},
		&contentv1.Message{Text: "This week: lamps.", Html: newsletter, To: []string{"support@example.com"}, Sender: evidence("unverified", "pass", "pass", "none", "dkim_aligned", "no_policy", "aligned_without_policy")})
	sealed := &contentv1.Card{Subject: "...", FromName: "Ines Oliveira", FromAddress: "ines@example.org", SenderVerdict: "verified", Snippet: "Please cancel my contract.", Kind: "person"}
	g.sealed = add(5*time.Minute, sealed, &contentv1.Message{Text: "Please cancel my contract.\n\nInes", To: []string{"support@example.com"}, Sender: passed, Encryption: []*contentv1.Encryption{
		{Path: "2", Kind: "openpgp", Opened: true, Key: "94d7162a04d4c78259fbaa9df29e8e8e0a025d98"},
	}})
	g.shut = add(4*time.Minute, &contentv1.Card{Subject: "Fw: contract", FromName: "Ines Oliveira", FromAddress: "ines@example.org", SenderVerdict: "unverified", Snippet: "See below.", Kind: "person"},
		&contentv1.Message{Text: "See below.\n\nPlease cancel my contract.", To: []string{"support@example.com"}, Sender: passed, Notices: []string{"partly_encrypted"}, Encryption: []*contentv1.Encryption{
			{Path: "2", Kind: "smime", Opened: true, Key: strings.Repeat("de8076d690bc7612", 4), Reason: "encryption_without_integrity"},
			{Path: "3", Kind: "openpgp", Reason: "encrypted_message"}, {Path: "4.1", Kind: "openpgp", Reason: "encrypted_message_damaged"},
		}})
	g.told = add(3*time.Minute, &contentv1.Card{Subject: "Undelivered: your answer", FromName: "Mail Delivery System", FromAddress: "mailer-daemon@mx.example.net", SenderVerdict: "unverified", Snippet: "Your message could not be delivered.", Kind: "bounce"},
		&contentv1.Message{Text: "Your message could not be delivered.", To: []string{"support@example.com"}, Sender: passed, RemovedTrackers: 2, RemovedRemote: 2, Trackers: []string{"Mailchimp", "pixel"},
			Events: []*contentv1.Event{
				{Method: "REQUEST", Summary: "Planning of the delivery, with everybody who has ever had to do with it and some who have not", Location: "https://meet.example.org/" + strings.Repeat("a1b2c3d4", 12), Organizer: "Ines Oliveira <‹email #1›>", Invited: 12,
					Start: timestamppb.New(time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)), End: timestamppb.New(time.Date(2026, 11, 24, 11, 30, 0, 0, time.UTC)), Zone: "Europe/Lisbon", Recurs: true},
				{Method: "REPLY", Summary: "Planning", Attendee: "Jonas Weber <‹email #2›>", Answer: "DECLINED"},
			},
			Deliveries: []*contentv1.Delivery{
				{Server: "mx.example.net", Recipient: "‹email #3›", Action: "failed", Status: "5.1.1", Said: "550 5.1.1 <‹email #3›>: Recipient address rejected: User unknown in local recipient table"},
				{Server: "mx.example.net", Recipient: "‹email #4›", Action: "delayed", Status: "4.2.2", Until: timestamppb.New(time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC))},
			}})
	g.plain = add(0, &contentv1.Card{Subject: "Printer prints blue only", FromName: "Ada Lovelace", FromAddress: "ada@example.org", SenderVerdict: "authenticated", Snippet: "Hello, since yesterday my printer prints blue only.", Kind: "person"},
		&contentv1.Message{Text: "Hello,\n\nsince yesterday my printer prints blue only. What can I do?\n\nAda", To: []string{"support@example.com"}, Sender: passed})
	return g
}

// pagePixels is a page with something like lines on it.
func pagePixels(t testing.TB, width, height int) []byte {
	t.Helper()
	canvas := image.NewGray(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			shade := color.Gray{Y: 255}
			if y%24 > 18 && y > 60 && y < height-60 && x > 60 && x < width-60-(y*7)%90 {
				shade.Y = 70
			}
			canvas.SetGray(x, y, shade)
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, canvas); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// newsletter brings colours of its own.
const newsletter = `<table width="600" style="background-color: rgb(250, 240, 220); color: rgb(60, 40, 20)"><tr><td style="padding: 24px; background-color: rgb(120, 60, 20); color: rgb(255, 255, 255)"><h1>Five lamps</h1></td></tr>` +
	`<tr><td style="padding: 24px"><p>The evenings grow long. Here is light.</p><p><a href="https://lamps.example/" rel="noopener noreferrer nofollow" target="_blank">See them all</a></p></td></tr><tr><td style="padding: 12px; font-size: 11px; color: rgb(110, 90, 70)">Lamp House, 1 Wick Street</td></tr></table>`

// pages are all there are, by name.
func (g gallery) pages() map[string]string {
	at := func(ticket, rest string) string { return "/tickets/" + ticket + rest }
	return map[string]string{
		"list": "/tickets", "list-mine": "/tickets?assignee=me", "plain": at(g.plain, ""), "long": at(g.long, ""), "japanese": at(g.japanese, ""), "arabic": at(g.arabic, ""),
		"files": at(g.files, ""), "look": at(g.files, "/files/0/look"), "look-picture": at(g.files, "/files/1/look"), "look-text": at(g.files, "/files/4/look"), "forged": at(g.forged, ""), "gone": at(g.gone, ""), "reads": at(g.files, "/reads"), "allreads": "/reads", "original": at(g.plain, "/original"),
		"originals": "/originals", "aside": "/aside", "aside-one": "/aside/" + g.aside, "aside-stuck": "/aside/" + g.stuck, "aside-leaving": "/aside/" + g.leaving, "aside-delete": "/aside/" + g.stuck + "/delete", "aside-original": "/aside/" + g.stuck + "/original",
		"sealed": at(g.sealed, ""), "shut": at(g.shut, ""), "told": at(g.told, ""), "help": "/help", "lookalike": at(g.lookalike, ""), "newsletter": at(g.newsletter, ""), "aside-reads": at(event.Ticket(g.stuck), "/reads?item="+g.stuck), "retention": "/retention", "certificate": "/retention/certificates/01JD6ZQ7KT3S8W4N2M5P9R0V1X?as=page", "missing": "/nowhere",
	}
}

// look is how a page is looked at.
type look struct {
	name          string
	width, height int64
	phone         bool
	scheme        string
}

var looks = []look{
	{"light", 1280, 860, false, "light"}, {"dark", 1280, 860, false, "dark"}, {"phone", 360, 740, true, "light"}, {"phone-dark", 390, 844, true, "dark"},
}

// unreadable lists the words of a page whose contrast is below WCAG 2.2 AA (1.4.3: 4.5 to
// 1, 3 to 1 for large text), measured against the nearest background that is not
// transparent.
const unreadable = `(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] / 255 + below[i] * (1 - top[3] / 255)).concat(255);
  const ground = (e) => { const own = rgba(getComputedStyle(e).backgroundColor); if (own[3] === 255) return own; return over(own, e.parentElement ? ground(e.parentElement) : rgba("Canvas")); };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, style = getComputedStyle(e);
    if (!walk.currentNode.data.trim() || !e.checkVisibility() || e.closest(".away, .skip, option")) continue;
    const below = ground(e), a = light(over(rgba(style.color), below)), b = light(below);
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05), size = parseFloat(style.fontSize);
    if (ratio < (size >= 24 || size >= 18.66 && style.fontWeight >= 700 ? 3 : 4.5)) found.push(walk.currentNode.data.trim().slice(0, 40) + " " + ratio.toFixed(2));
  }
  return found;
})()`

// overflowing lists elements that stick out of the page at its sides.
const overflowing = `(() => {
  if (document.documentElement.scrollWidth <= document.documentElement.clientWidth) return [];
  return [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest(".scroll")).map((e) => e.tagName + "." + e.className).slice(0, 5).concat("page " + document.documentElement.scrollWidth);
})()`

// opened shows all that a page has to show.
const opened = `(() => { for (const d of document.querySelectorAll("details")) d.open = true; return true; })()`

// squeezed lists columns of evidence that leave a word no room, and evidence that is wider than its place.
const squeezed = `[...document.querySelectorAll(".answers .scroll")].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => "all of it: " + e.textContent.trim().slice(0, 40)).concat([...document.querySelectorAll("table.evidence :is(th, td)")].filter((e) => e.checkVisibility() && !e.closest(".away") && e.textContent.trim() && e.getBoundingClientRect().width < 40).map((e) => e.textContent.trim().slice(0, 40)))`

// Set POSTERN_PICTURES to a folder to look at every page.
func TestEveryPageIsReadableAndFitsTheScreen(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	g := newGallery(t)
	p := c.tab()
	p.signIn(g.World, "omnia")
	folder := os.Getenv("POSTERN_PICTURES")
	for _, how := range looks {
		p.size(how.width, how.height, how.phone)
		p.scheme(how.scheme)
		for name, path := range g.pages() {
			p.open(g.Server.URL + path)
			eval[bool](p, opened)
			if tight := eval[[]string](p, squeezed); len(tight) > 0 {
				t.Errorf("%s, %s: no room for %q", name, how.name, tight)
			}
			if bad := eval[[]string](p, unreadable); len(bad) > 0 {
				t.Errorf("%s, %s: too little contrast: %q", name, how.name, bad)
			}
			if out := eval[[]string](p, overflowing); len(out) > 0 {
				t.Errorf("%s, %s: sticks out: %q", name, how.name, out)
			}
			if folder == "" {
				continue
			}
			picture, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, name+"."+how.name+".png"), picture, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, ran, blocked := p.seen(); len(ran) > 0 {
		t.Errorf("the pages complain: %q %q", ran, blocked)
	}
}
