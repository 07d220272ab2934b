package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

var functions = template.FuncMap{
	"ago": ago, "day": day, "moment": moment, "clock": clock, "stamp": stamp, "size": size,
	"scanWords": scanWords, "pill": pill,
	"senderSentence": senderSentence, "scanSentences": scanSentences, "noticeSentence": noticeSentence, "graveNotice": graveNotice,
	"kindWords": kindWords, "maskWords": maskWords, "initials": initials,
	"actWords": actWords, "layerWords": layerWords, "ticketOf": event.Ticket, "outcomeWords": outcomeWords, "asideSentence": asideSentence, "causeWords": causeWords, "checkWords": checkWords,
	"paragraphs": paragraphs, "referenceWords": referenceWords, "declinedWords": declinedWords, "reference": plainReason, "name": shortName, "plural": plural, "join": strings.Join, "short": short, "fields": fields,
	"canLook": canLook, "fileWords": fileWords, "lookWords": func(code string) string { return lookWords[code] }, "after": func(n int) int { return n + 1 },
	"eventWords": eventWords, "answerWords": answerWords, "eventWhen": eventWhen, "deliveryWords": deliveryWords, "statusWords": statusWords, "trackerWords": trackerWords,
	"withheld": func(files []*contentv1.Attachment) bool {
		return slices.ContainsFunc(files, func(f *contentv1.Attachment) bool { return f.GetPacket() < 0 })
	},
	"statuses": func() []string { return statuses }, "title": title,
}

// fields makes a map for a template inside another.
func fields(pairs ...any) (map[string]any, error) {
	made := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, errors.New("fields: a name is no text")
		}
		made[name] = pairs[i+1]
	}
	return made, nil
}

func title(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}

// errEvidence hides what stood in the evidence.
var errEvidence = errors.New("desk: the evidence in the view cannot be read")

// A check is one line of the evidence about a sender.
type check struct {
	Name   string
	Class  string // good, bad, unsure
	Word   string
	Detail string
	Reason string // a sentence, "" for none
}

// A senderView is what a page says about the sender.
type senderView struct {
	Reasons []string
	Checks  []check
	Answers []answer     // of name servers, on which the checks rest
	More    int          // of them that are not shown
	Keys    int          // of signers, that were looked at
	Lines   []headerLine // of the header, that were read
	Unread  int          // of them that are not shown
}

// A headerLine is a header field as it stands in the mail.
type headerLine struct{ Name, Value string }

// An answer is what a name server said.
type answer struct {
	Type, Name string
	Said       []string
	None       string // in the place of an answer
	When       time.Time
	TTL        time.Duration
}

// The bounds of what a page shows of answers: strangers choose how many and how long they are.
const (
	maxAnswers = 60
	maxSaid    = 8
	maxWords   = 500 // characters
	maxLines   = 40
)

// senderOf reads the evidence about the sender that stands in the view.
func senderOf(message *contentv1.Message) (senderView, error) {
	var result mailauth.Result
	if len(message.GetSender()) == 0 {
		return senderView{}, nil
	}
	if json.Unmarshal(message.GetSender(), &result) != nil {
		return senderView{}, errEvidence
	}
	view := senderView{Reasons: byWeight(string(result.Verdict), result.Reasons)}
	add := func(name, outcome, detail, reason string) {
		c := check{Name: name, Word: worded(outcomeWord, outcome, "Not checked"), Class: worded(outcomeClass, outcome, "unsure"), Detail: detail}
		if reason != "" {
			c.Reason = senderSentence(reason)
		}
		view.Checks = append(view.Checks, c)
	}
	spf := result.SPF
	from := ""
	if address, err := netip.ParseAddr(spf.ClientIP); err == nil {
		from = "server " + address.String()
	}
	add("SPF", string(spf.Result), words(from, "for", spf.Domain), "")
	for _, d := range result.DKIM {
		add("DKIM", string(d.Result), words("signed by", d.Domain), d.Reason)
	}
	if len(result.DKIM) == 0 {
		add("DKIM", "none", "not signed", "")
	}
	policy := ""
	if result.DMARC.RecordDomain != "" {
		policy = fmt.Sprintf("%s asks: %s", result.DMARC.RecordDomain, worded(policyWord, string(result.DMARC.Policy), "nothing"))
	} else if result.DMARC.Result == "none" {
		policy = "the domain publishes no policy"
	}
	add("DMARC", string(result.DMARC.Result), policy, "")
	if result.ARC.Result != "none" && result.ARC.Result != "" {
		trust := "we do not know whether to trust them"
		if result.ARC.Trusted {
			trust = "trusted"
		}
		add("ARC", result.ARC.Result, strings.Join(result.ARC.Sealers, ", ")+", "+trust, "")
	}
	for _, s := range result.Signatures {
		add(worded(signatureName, string(s.Kind), string(s.Kind)), string(s.Result), words("by", s.Signer), "")
	}
	if len(message.GetEvidence()) == 0 {
		return view, nil
	}
	dossier, err := mailauth.ReadDossier(message.GetEvidence())
	if err != nil {
		return senderView{}, errEvidence
	}
	view.Keys = dossier.Keys.Count()
	view.More = max(0, len(dossier.Questions)-maxAnswers)
	for _, q := range dossier.Questions[:len(dossier.Questions)-view.More] {
		view.Answers = append(view.Answers, answerTo(q))
	}
	hidden := max(0, len(dossier.Lines)-maxLines)
	view.Unread = dossier.More + hidden
	for _, l := range dossier.Lines[:len(dossier.Lines)-hidden] {
		name, value, _ := strings.Cut(string(l), ":")
		view.Lines = append(view.Lines, headerLine{readable(name), readable(strings.TrimSpace(unfolded.Replace(value)))})
	}
	return view, nil
}

// answerTo gives an answer as people read it.
func answerTo(q dns.Question) answer {
	a := answer{Type: string(q.Type), Name: readable(q.Name), When: q.At, TTL: q.Answer.TTL}
	for _, text := range q.Answer.Texts {
		a.Said = append(a.Said, readable(text))
	}
	for _, address := range q.Answer.Addrs {
		a.Said = append(a.Said, address.String())
	}
	for _, exchange := range q.Answer.MX {
		a.Said = append(a.Said, fmt.Sprintf("%d %s", exchange.Pref, readable(exchange.Host)))
	}
	for _, name := range q.Answer.Names {
		a.Said = append(a.Said, readable(name))
	}
	if more := len(a.Said) - maxSaid; more > 0 {
		a.Said = append(a.Said[:maxSaid], fmt.Sprintf("and %d more", more))
	}
	if q.Status != "ok" {
		a.Said, a.None = nil, worded(answerWord, q.Status, "no answer")
	}
	return a
}

// unfolded takes the line ends out of a field that was written on several lines.
var unfolded = strings.NewReplacer("\r\n", "", "\n", "", "\t", " ")

// readable is printable ASCII, bounded; anything else stands as a dot.
func readable(text string) string {
	var out strings.Builder
	for i := range len(text) {
		if i == maxWords {
			out.WriteString(" …")
			break
		}
		if c := text[i]; c >= ' ' && c <= '~' {
			out.WriteByte(c)
		} else {
			out.WriteString("·")
		}
	}
	return out.String()
}

// words joins what is there; a joining word without what it joins stays out.
func words(parts ...string) string {
	var said []string
	for i, part := range parts {
		joins := part == "for" || part == "by" || part == "signed by"
		if part == "" || joins && (i+1 >= len(parts) || parts[i+1] == "") {
			continue
		}
		said = append(said, part)
	}
	return strings.Join(said, " ")
}

var (
	outcomeWord = map[string]string{
		"pass": "Passed", "fail": "Failed", "softfail": "Doubtful", "neutral": "No statement", "none": "None", "policy": "Not accepted",
		"temperror": "No answer", "permerror": "Unreadable", "good": "Good", "bad": "Bad", "unknown_key": "Unknown key", "expired": "Expired",
		"revoked": "Revoked", "untrusted": "Not trusted", "mismatch": "Somebody else's", "weak": "Too weak", "error": "Unreadable",
	}
	outcomeClass = map[string]string{
		"pass": "good", "good": "good", "fail": "bad", "bad": "bad", "revoked": "bad", "mismatch": "bad",
	}
	policyWord = map[string]string{"none": "do nothing", "quarantine": "be suspicious", "reject": "refuse"}

	answerWord = map[string]string{
		"nxdomain": "there is no such name", "nodata": "it has no such record", "temporary": "no answer: a failure",
		"timeout": "no answer in time", "bad_name": "this can be no name, and nobody was asked",
	}
	signatureName = map[string]string{"openpgp": "OpenPGP", "smime": "S/MIME"}
)

// A scanView is what a page says about what is attached.
type scanView struct {
	Verdict string
	Reasons []string
}

func scanOf(s sheet) (scanView, error) {
	view := scanView{Verdict: s.Card.GetScanVerdict()}
	if len(s.Message.GetScan()) == 0 {
		return view, nil
	}
	var report attachment.Report
	if json.Unmarshal(s.Message.GetScan(), &report) != nil {
		return view, errEvidence
	}
	for _, reason := range report.Scan.Reasons {
		view.Reasons = append(view.Reasons, string(reason))
	}
	return view, nil
}

// removedWords sums up what sanitizing took out.
func removedWords(m *contentv1.Message) string {
	var parts []string
	for _, kind := range []struct {
		count     int32
		one, many string
	}{
		{m.GetRemovedActive(), "script or form", "scripts and forms"},
		{m.GetRemovedRemote() - m.GetRemovedTrackers(), "remote picture or file", "remote pictures and files"},
		{m.GetRemovedTrackers(), "tracker", "trackers"},
	} {
		if kind.count > 0 {
			parts = append(parts, plural(int(kind.count), kind.one, kind.many))
		}
	}
	if len(parts) > 1 {
		parts = append(parts[:len(parts)-2], parts[len(parts)-2]+" and "+parts[len(parts)-1])
	}
	return strings.Join(parts, ", ")
}

// paragraphs parts a text at its empty lines: each finds its own direction.
func paragraphs(text string) []string {
	parts := strings.Split(strings.TrimRight(text, "\n"), "\n\n")
	for i := range parts[:len(parts)-1] {
		parts[i] += "\n\n" // its empty line stays, as it was written
	}
	return parts
}

// A layerLine is what the ticket's page says about one layer.
type layerLine struct {
	Name        string
	Due         time.Time
	Gone        bool
	Certificate string
}

// layersOf reads the dates from the record as it stands, and what is gone from both.
func layersOf(row Row, record *itemv1.Record) []layerLine {
	var lines []layerLine
	for _, layer := range record.GetLayers() {
		certificate, destroyed := row.Destroyed[int32(layer.GetKind())]
		lines = append(lines, layerLine{
			Name: layerName(layer.GetKind()), Due: layer.GetDue().AsTime(), Certificate: certificate,
			Gone: destroyed || layer.GetState() != itemv1.LayerState_LAYER_STATE_PRESENT,
		})
	}
	return lines
}

func asTime(value any) time.Time {
	switch t := value.(type) {
	case time.Time:
		return t.UTC()
	case *timestamppb.Timestamp:
		if t != nil {
			return t.AsTime()
		}
	}
	return time.Time{}
}

func ago(value any, now time.Time) string {
	t := asTime(value)
	passed := now.Sub(t)
	switch {
	case t.IsZero():
		return ""
	case passed < time.Minute:
		return "just now"
	case passed < time.Hour:
		return fmt.Sprintf("%d min ago", int(passed.Minutes()))
	case passed < 24*time.Hour:
		return fmt.Sprintf("%d h ago", int(passed.Hours()))
	case passed < 48*time.Hour:
		return "yesterday"
	case passed < 7*24*time.Hour:
		return fmt.Sprintf("%d days ago", int(passed.Hours()/24))
	}
	return t.Format("2 Jan 2006")
}

func day(value any) string {
	t := asTime(value)
	if t.IsZero() || t.Unix() == 0 {
		return "no date"
	}
	return t.Format("2 January 2006")
}

func moment(value any) string {
	t := asTime(value)
	if t.IsZero() || t.Unix() == 0 {
		return "–"
	}
	return t.Format("2 Jan 2006, 15:04:05 UTC")
}

// clock is moment without the seconds.
func clock(value any) string { return asTime(value).Format("2 January 2006, 15:04 UTC") }

// stamp is for machines.
func stamp(value any) string { return asTime(value).Format(time.RFC3339) }

func size(bytes int64) string {
	switch {
	case bytes < 1<<10:
		return fmt.Sprintf("%d B", bytes)
	case bytes < 1<<20:
		return fmt.Sprintf("%.0f KB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20))
}

// plural takes every kind of integer, for templates convert none.
func plural(count any, one, many string) string {
	number := fmt.Sprint(count)
	if number == "1" {
		return "1 " + one
	}
	return number + " " + many
}

// initials are the first letters of up to two words of a name, or of an address.
func initials(name, address string) string {
	text := name
	if strings.TrimSpace(name) == "" {
		text = address
	}
	var letters []rune
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) }) {
		first, _ := utf8.DecodeRuneInString(word)
		if letters = append(letters, unicode.ToUpper(first)); len(letters) == 2 {
			break
		}
	}
	switch {
	case len(letters) == 0:
		return "?"
	case strings.TrimSpace(name) == "" || letters[0] >= 0x2e80: // one ideograph fills the circle
		return string(letters[0])
	}
	return string(letters)
}

// shortName is how a ticket is spoken of. The whole name stands on its page.
func shortName(ticket string) string {
	if event.IsTicket(ticket) {
		return ticket[:1+nameLength]
	}
	return ticket
}

// nameLength is how many characters behind the T are spoken: among a million tickets some
// hundred pairs share them.
const nameLength = 8

// plainReason is a reason that stands readable in the log, "" for others.
func plainReason(reason []byte) string {
	if isReference(reason) {
		return referenceWords(string(reason))
	}
	return ""
}

func short(id string) string {
	if len(id) > 12 {
		return id[:12] + "…"
	}
	return id
}
