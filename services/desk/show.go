package desk

import (
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/mailauth"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

var functions = template.FuncMap{
	"ago": ago, "day": day, "moment": moment, "size": size,
	"senderWords": senderWords, "scanWords": scanWords, "shield": shield, "pill": pill,
	"senderSentence": senderSentence, "scanSentence": scanSentence,
	"kindWords": kindWords, "maskWords": maskWords, "layerName": layerName, "initials": initials,
	"actWords": actWords, "plural": plural, "join": strings.Join, "layers": layersOf, "short": short,
	"statuses": func() []string { return []string{Open, Pending, Solved} },
}

// senderOf reads the evidence about the sender that stands in the view.
func senderOf(message *contentv1.Message) (mailauth.Result, error) {
	var result mailauth.Result
	if len(message.GetSender()) == 0 {
		return result, nil
	}
	if err := json.Unmarshal(message.GetSender(), &result); err != nil {
		return result, fmt.Errorf("sender evidence: %w", err)
	}
	return result, nil
}

// readCertificate shows a certificate's fields without trusting them: verifying is for
// whoever holds the public key.
func readCertificate(certified *retentionv1.Certified) (map[string]any, error) {
	var file struct {
		Certificate map[string]any `json:"certificate"`
		Signature   string         `json:"signature"`
	}
	if err := json.Unmarshal(certified.GetDocument(), &file); err != nil {
		return nil, fmt.Errorf("certificate document: %w", err)
	}
	file.Certificate["signature"] = file.Signature
	file.Certificate["id"] = certified.GetCertificate()
	return file.Certificate, nil
}

var senderText = map[string]string{
	"verified": "Verified customer", "authenticated": "Sender confirmed", "unverified": "Sender not confirmed",
	"forged": "Forged sender", "ambiguous": "Ambiguous sender",
}

func senderWords(verdict string) string { return worded(senderText, verdict, "Sender not checked") }

var scanText = map[string]string{
	"clean": "Clean", "infected": "Infected", "suspicious": "Suspicious", "encrypted": "Encrypted", "limit": "Too large to check",
	"ambiguous": "Ambiguous", "unsupported": "Cannot be checked", "error": "Check failed",
}

func scanWords(verdict string) string { return worded(scanText, verdict, "Not scanned") }

func worded(words map[string]string, code, otherwise string) string {
	if text, ok := words[code]; ok {
		return text
	}
	return otherwise
}

// shield and pill give the class that colours a verdict.
func shield(verdict string) string {
	switch verdict {
	case "verified", "authenticated":
		return "good"
	case "forged", "ambiguous":
		return "bad"
	}
	return "unsure"
}

func pill(verdict string) string {
	switch verdict {
	case "clean":
		return "good"
	case "infected":
		return "bad"
	}
	return "unsure"
}

func senderSentence(code string) string {
	if reason, ok := mailauth.Reasons[code]; ok && reason.Agent != "" {
		return reason.Agent
	}
	return sentence(code)
}

func scanSentence(code string) string {
	if found, ok := attachment.Reasons[attachment.Reason(code)]; ok && found.Sentence != "" {
		return found.Sentence
	}
	return sentence(code)
}

// sentence makes the best of a code that no table explains.
func sentence(code string) string {
	text := strings.ReplaceAll(code, "_", " ")
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

var kindText = map[string]string{
	"list": "Mailing list", "auto_reply": "Automatic reply", "bounce": "Undeliverable", "receipt": "Receipt", "report": "Report", "calendar": "Calendar",
}

func kindWords(kind string) string { return kindText[kind] }

func maskWords(kind string) string {
	text := strings.ReplaceAll(kind, "_", " ")
	for _, known := range []string{"iban", "us ssn", "ip"} {
		if text == known {
			return strings.ToUpper(text)
		}
	}
	return text
}

func layerName(kind itemv1.LayerKind) string {
	switch kind {
	case itemv1.LayerKind_LAYER_KIND_RAW:
		return "original"
	case itemv1.LayerKind_LAYER_KIND_VIEW:
		return "ticket"
	case itemv1.LayerKind_LAYER_KIND_PII:
		return "masked values"
	}
	return ""
}

// A layerLine is what the ticket's page says about one layer.
type layerLine struct {
	Name        string
	Due         time.Time
	Gone        bool
	Certificate string
}

func layersOf(row Row) []layerLine {
	var lines []layerLine
	for _, layer := range row.Record.GetLayers() {
		certificate, destroyed := row.Destroyed[int32(layer.GetKind())]
		lines = append(lines, layerLine{
			Name: layerName(layer.GetKind()), Due: layer.GetDue().AsTime(), Certificate: certificate,
			Gone: destroyed || layer.GetState() != itemv1.LayerState_LAYER_STATE_PRESENT,
		})
	}
	return lines
}

var actText = map[string]string{
	"open": "opened", "reveal": "revealed a masked value", "register": "registered", "file": "filed", "layers": "added the ticket's layers",
	"ticket": "made a ticket of it", "set_aside": "set it aside", "setaside": "set it aside", "hold": "placed a hold", "release": "lifted a hold",
	"destroy": "destroyed", "erase": "erased", "sign_in": "signed in", "status": "changed the status", "assign": "assigned",
	"look_at_reads": "looked at who read", "advance_clock": "moved the clock on",
}

func actWords(act *auditv1.Act) string {
	text := worded(actText, act.GetAction(), strings.ReplaceAll(act.GetAction(), "_", " "))
	if name := layerName(act.GetLayer()); name != "" && act.GetAction() == "open" {
		text += " the " + name
	}
	return text
}

func asTime(value any) time.Time {
	switch t := value.(type) {
	case time.Time:
		return t
	case *timestamppb.Timestamp:
		return t.AsTime()
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
		return fmt.Sprintf("%d min", int(passed.Minutes()))
	case passed < 24*time.Hour:
		return fmt.Sprintf("%d h", int(passed.Hours()))
	case passed < 7*24*time.Hour:
		return fmt.Sprintf("%d d", int(passed.Hours()/24))
	}
	return t.Format("2 Jan 2006")
}

func day(value any) string { return asTime(value).Format("2 January 2006") }

func moment(value any) string { return asTime(value).Format("2 Jan 2006, 15:04:05 UTC") }

func size(bytes int64) string {
	switch {
	case bytes < 1<<10:
		return fmt.Sprintf("%d B", bytes)
	case bytes < 1<<20:
		return fmt.Sprintf("%.0f KB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20))
}

func plural(count int, one, many string) string {
	if count == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", count, many)
}

func initials(name, address string) string {
	text := strings.TrimSpace(name)
	if text == "" {
		text = address
	}
	var letters []rune
	for _, word := range strings.Fields(text) {
		letters = append(letters, []rune(strings.ToUpper(word))[0])
		if len(letters) == 2 {
			break
		}
	}
	if len(letters) == 0 {
		return "?"
	}
	return string(letters)
}

func short(id string) string {
	if len(id) > 12 {
		return id[:12] + "…"
	}
	return id
}
