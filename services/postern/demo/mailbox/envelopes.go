package mailbox

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"strings"
	"text/template"
	"time"
)

//go:embed letters/*.eml
var letters embed.FS

// An envelope is one mail: how it came, and what it says.
type envelope struct {
	name   string
	ago    time.Duration // before the start of the demonstration
	host   string        // that handed it to our exchanger
	ip     string        // of that host
	from   string        // the SMTP sender, empty for a bounce
	signer string        // the domain that signs it, empty for none
	make   func(came time.Time) []byte
}

const (
	minute = time.Minute
	hour   = time.Hour
	day    = 24 * time.Hour
)

// envelopes are all mails, oldest first.
var envelopes = []envelope{
	{"newsletter", 6*day + 3*hour, "out1.veloweekly.example", "203.0.113.80", "bounce-88120@news.veloweekly.example", "veloweekly.example", nil},
	{"mailing-list", 5*day + 20*hour, "lists.spoke-and-hub.example", "203.0.113.91", "wheelbuilders-bounces@lists.spoke-and-hub.example", "", nil},
	{"complaint-thread", 4*day + 2*hour, "mail.quast-keramik.example", "203.0.113.33", "d.quast@quast-keramik.example", "quast-keramik.example", nil},
	{"where-is-my-order", 3*day + 5*hour, "mail.lindqvist.example", "203.0.113.10", "anna@lindqvist.example", "lindqvist.example", nil},
	{"same-message-id", 3*day + 4*hour, "mail.lang.example", "203.0.113.11", "berta@lang.example", "", nil},
	{"german-latin1", 3*day + hour, "mx.gartenbau-mueller.example", "203.0.113.12", "j.mueller@gartenbau-mueller.example", "", nil},
	{"auto-reply", 2*day + 22*hour, "mail.weiss-partner.example", "203.0.113.13", "", "", nil},
	{"bounce", 2*day + 21*hour, "mail.postbox.example", "198.51.100.25", "", "", nil},
	{"verified-wholesale", 2*day + 9*hour, "mail.nordlicht-optik.example", "203.0.113.25", "jonas.petersen@nordlicht-optik.example", "nordlicht-optik.example", nil},
	{"forged-invoice", 2*day + 2*hour, "relay7.cheap-relay.example", "192.0.2.66", "bulk@cheap-relay.example", "", nil},
	{"card-number", 2 * day, "mail.postbox.example", "198.51.100.25", "marge.okafor@postbox.example", "postbox.example", nil},
	{"iban-and-phone", 47 * hour, "mail.postbox.example", "198.51.100.25", "familie.brandt@postbox.example", "postbox.example", nil},
	{"thanks-and-one-more-thing", 46 * hour, "mail.lindqvist.example", "203.0.113.10", "anna@lindqvist.example", "lindqvist.example", nil},
	{"japanese", 40 * hour, "mail.hayashi-cycle.example", "203.0.113.44", "info@hayashi-cycle.example", "", japaneseMail},
	{"french-base64", 38 * hour, "mail.lefevre.example", "203.0.113.45", "celine@lefevre.example", "", nil},
	{"wrong-charset", 36 * hour, "mail.macleod.example", "203.0.113.46", "fiona@macleod.example", "", nil},
	{"pdf-and-photo", 30 * hour, "mail.postbox.example", "198.51.100.25", "lotte.berg@postbox.example", "postbox.example", pdfAndPhoto},
	{"inline-picture", 29 * hour, "mail.adeyemi.example", "203.0.113.47", "paul@adeyemi.example", "", inlinePicture},
	{"read-receipt", 28 * hour, "mail.adeyemi.example", "203.0.113.47", "", "", nil},
	{"calendar-invitation", 26 * hour, "mail.solheim-events.example", "203.0.113.48", "ingrid@solheim-events.example", "solheim-events.example", nil},
	{"forwarded", 25 * hour, "mail.raman-logistics.example", "203.0.113.49", "priya@raman-logistics.example", "", nil},
	{"look-alike", 22 * hour, "mta.brlghtwater.example", "192.0.2.70", "payroll@brlghtwater.example", "brlghtwater.example", nil},
	{"hostile", 20 * hour, "vps.strange-place.example", "192.0.2.71", "visitor@strange-place.example", "", nil},
	{"virus-in-nested-zip", 18 * hour, "vps.strange-place.example", "192.0.2.71", "orders@strange-place.example", "", virusInNestedZip},
	{"double-extension", 17 * hour, "vps.strange-place.example", "192.0.2.71", "orders@strange-place.example", "", doubleExtension},
	{"encrypted-zip", 16 * hour, "mail.postbox.example", "198.51.100.25", "r.klein@postbox.example", "postbox.example", encryptedZip},
	{"macro-document", 15 * hour, "relay7.cheap-relay.example", "192.0.2.66", "bulk@cheap-relay.example", "", macroDocument},
	{"winmail-dat", 12 * hour, "exchange.old-office.example", "203.0.113.50", "accounts@old-office.example", "", winmail},
	{"two-authors", 9 * hour, "vps.strange-place.example", "192.0.2.71", "winner@strange-place.example", "", nil},
	{"malformed", 8 * hour, "mail.macleod.example", "203.0.113.46", "printer@macleod.example", "", malformed},
	{"twenty-megabytes", 5 * hour, "mail.postbox.example", "198.51.100.25", "sven.holm@postbox.example", "", twentyMegabytes},
	{"please-delete-my-data", 2 * hour, "mail.postbox.example", "198.51.100.25", "emil.novak@postbox.example", "postbox.example", nil},
	{"no-subject-from-a-phone", 12 * minute, "mail.postbox.example", "198.51.100.25", "sam@postbox.example", "postbox.example", nil},
}

// write gives the message as its author sent it, with CRLF line ends.
func (e envelope) write(came time.Time) ([]byte, error) {
	if e.make != nil {
		return e.make(came), nil
	}
	text, err := letters.ReadFile("letters/" + e.name + ".eml")
	if err != nil {
		return nil, err
	}
	letter, err := template.New(e.name).Option("missingkey=error").Parse(strings.ReplaceAll(string(text), "\n", "\r\n"))
	if err != nil {
		return nil, err
	}
	var message bytes.Buffer
	if err := letter.Execute(&message, map[string]string{"Date": date(came)}); err != nil {
		return nil, err
	}
	return message.Bytes(), nil
}

// date is when the author wrote: a little before the mail came. (RFC 5322 §3.3)
func date(came time.Time) string { return came.Add(-20 * time.Second).Format(time.RFC1123Z) }

// queueID is a name as exchangers give it, always the same for the same mail.
func queueID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return fmt.Sprintf("4F%X", sum[:4])
}
