package mail

import (
	"bytes"
	"strings"
)

// Kinds are all of them.
var Kinds = []Kind{Person, List, AutoReply, Bounce, Receipt, Report, Calendar}

// kindOf says what sort of sender made a message, from its headers alone: its
// own, and those of its parts.
func kindOf(m *Message) Kind {
	root := m.Root
	if root.Type == "multipart/report" || root.Type == "message/delivery-status" || root.Type == "message/disposition-notification" {
		switch strings.ToLower(root.Params["report-type"]) {
		case "delivery-status", "global-delivery-status":
			return Bounce // RFC 3464
		case "disposition-notification", "global-disposition-notification":
			return Receipt // RFC 8098
		case "feedback-report", "tlsrpt", "sieve":
			return Report // RFC 5965, RFC 6591, RFC 8460 §5.3
		}
	}
	if k := kindOfParts(root); k != "" {
		return k
	}
	if isDMARCReport(m) {
		return Report
	}
	if isOldBounce(m) {
		return Bounce
	}
	if root.Type == "text/calendar" || calendarWithin(root) {
		return Calendar // RFC 6047
	}
	if isAutoReply(m) {
		return AutoReply
	}
	if isList(m) {
		return List
	}
	return Person
}

// kindOfParts looks at the parts of a report, whatever the container is called.
func kindOfParts(root *Part) Kind {
	for _, part := range append([]*Part{root}, root.Children...) {
		switch part.Type {
		case "message/delivery-status", "message/global-delivery-status":
			return Bounce
		case "message/disposition-notification", "message/global-disposition-notification":
			return Receipt
		case "message/feedback-report", "application/tlsrpt+gzip", "application/tlsrpt+json":
			return Report
		}
	}
	return ""
}

// isDMARCReport knows an aggregate report (RFC 7489 §7.2.1.1) by its subject and
// its one archive.
func isDMARCReport(m *Message) bool {
	subject := strings.ToLower(m.Subject)
	if !strings.Contains(subject, "report domain:") || !strings.Contains(subject, "submitter:") {
		return false
	}
	for _, part := range append([]*Part{m.Root}, m.Root.Children...) {
		switch part.Type {
		case "application/gzip", "application/x-gzip", "application/zip", "application/x-zip-compressed", "text/xml", "application/xml", "application/octet-stream":
			return true
		}
	}
	return false
}

// isOldBounce knows the notices of mailers that do not speak RFC 3464: nobody to
// answer to, and the words that these programs use.
func isOldBounce(m *Message) bool {
	if m.Header.Has("X-Failed-Recipients") {
		return true
	}
	score := 0
	if path := m.Header.Fields("Return-Path"); len(path) > 0 {
		sender := strings.ToLower(strings.TrimSpace(path[0].Text()))
		if sender == "<>" || sender == "" || strings.Contains(sender, "mailer-daemon") || strings.Contains(sender, "double-bounce@") {
			score++
		}
	}
	for _, from := range m.From {
		name := strings.ToLower(from.Name)
		local, _, _ := strings.Cut(strings.ToLower(from.Addr), "@")
		switch local {
		case "mailer-daemon", "mailerdaemon", "postmaster", "post_master", "post.master", "mail.delivery.system", "mdaemon":
			score++
		default:
			if strings.Contains(name, "mail delivery s") || strings.Contains(name, "mailer-daemon") || strings.Contains(name, "mail deliver") || strings.Contains(name, "postmaster") ||
				name == "system administrator" || strings.HasPrefix(name, "courier mail server") {
				score++
			}
		}
	}
	if isBounceSubject(m.Subject) {
		score++
	}
	if m.Header.Has("X-Amz-Sns-Message-Id") && bytes.Contains(m.Root.Content[:min(len(m.Root.Content), 200)], []byte(`"notificationType":"Bounce"`)) {
		return true // Amazon SES tells of bounces in JSON
	}
	auto := strings.ToLower(m.Header.Get("Auto-Submitted"))
	if strings.HasPrefix(auto, "auto-replied") || strings.HasPrefix(auto, "auto-generated") && strings.Contains(auto, "failure") {
		score++ // shops write auto-generated alone, about deliveries of another kind
	}
	if m.Header.Has("X-Mailer-Daemon") || returnsMail(m.Root) || score > 0 && saysBounce(m.Root) {
		score++
	}
	return score >= 2 && !isVacationSubject(m.Subject)
}

// saysBounce looks at the first words of a notice.
func saysBounce(root *Part) bool {
	part := root
	for part.IsMultipart() && len(part.Children) > 0 {
		part = part.Children[0]
	}
	if !isText(part) {
		return false
	}
	head := strings.ToLower(string(part.Content[:min(len(part.Content), 300)]))
	for _, known := range []string{"error message below", "could not be delivered", "was not delivered", "undeliverable", "delivery to the following", "permanent fatal error", "user unknown", "mailbox unavailable", "was rejected"} {
		if strings.Contains(head, known) {
			return true
		}
	}
	return false
}

// returnsMail says whether a message carries another whole, as notices do.
func returnsMail(root *Part) bool {
	for _, part := range root.Children {
		if isMessage(part.Type) || part.Type == "text/rfc822-headers" {
			return len(root.Children) >= 2 && part.Disposition == "" && part.Filename == ""
		}
	}
	return false
}

var bounceSubjects = []string{
	"undeliver", "delivery status", "delivery fail", "delivery has failed", "delivery notification", "delivery error", "delivery problem", "delivery report",
	"failure notice", "failed delivery", "returned mail", "returning message", "mail failure", "mail system error", "mail delivery", "mail failed", "non remis",
	"not delivered", "could not be delivered", "couldn't be delivered", "message rejected", "rejected mail", "user unknown", "unzustellbar", "unzustellbarkeit",
	"bounce notification", "nondeliverable", "non-deliverable", "non delivery", "non-delivery", "warning: could not send message", "returned to sender", "errors from ",
	"не доставлено", "nicht zugestellt", "zustellung fehlgeschlagen", "配信不能", "配信でき", "配信に失敗", "未達", "message delayed", "delayed mail",
	"undelivered", "delivery has been delayed", "message could not be delivered", "error sending your mail", "unable to deliver", "nicht zustellbar", "échec de la remise", "échec de remise",
	"non recapitabile", "recapito non riuscito", "no se puede entregar", "no entregado", "onbestelbaar", "kan inte levereras", "nedoručiteln", "nie można dostarczyć", "niedostarcz",
	"не удалось доставить", "недоставлен", "não entregue", "falha na entrega", "退信", "退件", "无法投递", "送達不能",
}

func isBounceSubject(subject string) bool {
	s := strings.ToLower(subject)
	for _, known := range bounceSubjects {
		if strings.Contains(s, known) {
			return true
		}
	}
	return false
}

func isVacationSubject(subject string) bool {
	s := strings.ToLower(subject)
	for _, known := range []string{"automatic reply", "auto reply", "auto-reply", "autoreply", "out of office", "out of the office", "automatische antwort", "abwesend", "abwesenheit", "réponse automatique", "respuesta automática", "vacation", "自動返信"} {
		if strings.Contains(s, known) {
			return true
		}
	}
	return false
}

func isAutoReply(m *Message) bool {
	if auto := strings.ToLower(strings.TrimSpace(m.Header.Get("Auto-Submitted"))); auto != "" && !strings.HasPrefix(auto, "no") {
		return true // RFC 3834 §5
	}
	for _, name := range []string{"X-Autoreply", "X-Autorespond", "X-Auto-Reply", "X-Autoresponder", "X-AutoReply-From", "X-Mail-Autoreply"} {
		if m.Header.Has(name) {
			return true
		}
	}
	switch strings.ToLower(m.Header.Get("Precedence")) {
	case "auto_reply", "auto-reply":
		return true
	}
	return isVacationSubject(m.Subject) && (m.Header.Has("X-Auto-Response-Suppress") || strings.TrimSpace(m.Header.Get("Return-Path")) == "<>")
}

func isList(m *Message) bool {
	for _, name := range []string{"List-Id", "List-Post", "List-Unsubscribe", "List-Help", "List-Subscribe", "List-Owner", "List-Archive", "Mailing-List", "X-Mailing-List"} {
		if m.Header.Has(name) { // RFC 2369, RFC 2919
			return true
		}
	}
	switch strings.ToLower(m.Header.Get("Precedence")) {
	case "list", "bulk":
		return true
	}
	return false
}

// calendarWithin says whether an invitation stands among the ways to show the
// message (RFC 6047 §2.4), not among its attachments.
func calendarWithin(root *Part) bool {
	if !root.IsMultipart() {
		return false
	}
	for _, part := range root.Children {
		if part.Type == "text/calendar" && part.Params["method"] != "" {
			return true
		}
		if part.Type == "multipart/alternative" && calendarWithin(part) {
			return true
		}
	}
	return false
}
