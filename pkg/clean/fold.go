package clean

import "strings"

func foldTags(class string) string {
	words := "Quoted text"
	if class == ClassSignature {
		words = "Signature"
	}
	return `<details class="` + class + `"><summary>` + words + `</summary>`
}

// foldMarks are the classes, ids and names by which mail programs mark history and
// signatures in HTML.
var foldMarks = func() map[string]string {
	marks := map[string]string{}
	for class, words := range map[string]string{
		ClassQuote: `gmail_quote gmail_quote_container gmail_extra yahoo_quoted protonmail_quote tutanota_quote zmail_extra blockquote_zmail moz-forward-container
			replyforwardcontainer mail-editor-reference-message-container ms-outlook-mobile-reference-message reference-message ox_quote gmx_quote quote freebirdquote
			front-blockquote messagereplysection message-reply-section mailbird-quote em_quote emclient-quote quoted_text elided-text sh-quoted-content wordsection1-quote
			zimbra-quote aolmail_quote aolreplacementbody iscwhitespace-quote isreplycontent ntes-mailmaster-quote qqmail_quote mcntmcntquote tmail-quote hey-quote mail-quote-collapse
			spark-quote missive_quote edo-quote airmail_quote bloop_original_html canary-quote dz_quote simplelogin-quote infomaniak-quote`,
		ClassSignature: `gmail_signature gmail_signature_prefix moz-signature protonmail_signature_block tutanota_signature ms-outlook-mobile-signature ms-outlook-ios-signature
			signature x_signature applemailsignature front-signature messagesignaturesection zmail_signature zm_signature sig-dashes pre-sig bloop_sign airmail_sign mobisignature
			aolmail_signature em_signature spark-signature missive_signature fastmail-signature infomaniak-signature yahoo-signature ydpsignature qqmail_sign ntes-signature`,
	} {
		for word := range strings.FieldsSeq(words) {
			marks[word] = class
		}
	}
	return marks
}()

// foldApart marks elements after which all of the rest is history: Outlook puts
// its header block beside the quoted mail, not around it.
var foldApart = map[string]bool{"divrplyfwdmsg": true, "appendonsend": true, "mail-editor-reference-message": true, "ms-outlook-mobile-body-separator-line": true}

// outlookRules are the lines that Outlook draws above its header block, as its
// style attribute has them without blanks.
var outlookRules = []string{"border-top:solid#e1e1e11.0pt", "border-top:solid#b5c4df1.0pt", "border-top:1ptsolid#e1e1e1", "border-top:1.0ptsolid#e1e1e1", "border-top:solid#aaaaaa1.0pt", "border-top:solid1.0pt#e1e1e1",
	"border-top:1ptsolidrgb(225,225,225)", "border-top:1ptsolidrgb(181,196,223)"}

// fold says whether an element starts history or a signature, and whether its
// later siblings belong to it.
func (w *walker) fold(name string) (class string, apart bool) {
	a := w.attributes
	switch name {
	case "blockquote":
		if strings.EqualFold(a.value(attrType), "cite") || a.has(attrCite) || w.recent.introduces() {
			return ClassQuote, false
		}
	case "div", "section", "pre", "table", "p":
	default:
		return "", false
	}
	if name != "blockquote" && w.recent.separates() {
		return ClassQuote, true
	}
	for _, attr := range [...]int{attrID, attrName, attrClass} {
		if !a.has(attr) {
			continue
		}
		for word := range strings.FieldsSeq(cutText(a.value(attr), 256)) {
			word = strings.ToLower(word)
			for strings.HasPrefix(word, "x_") { // what Outlook on the web puts before others' names
				word = word[2:]
			}
			if foldApart[word] {
				return ClassQuote, true
			}
			if class := foldMarks[word]; class != "" && name != "table" {
				return class, false
			}
			if strings.HasSuffix(word, "yahoo_quoted") || strings.HasPrefix(word, "yahoo_quoted_") {
				return ClassQuote, false
			}
		}
	}
	if name == "div" && a.has(attrStyle) {
		if style := cutText(a.value(attrStyle), 256); strings.Contains(style, "border-top") && containsOne(strings.ToLower(blanks.Replace(style)), outlookRules) {
			return ClassQuote, true
		}
	}
	return "", false
}

var blanks = strings.NewReplacer(" ", "", "\n", "", "\t", "")

// recent is what was written last, its lines apart, for a look back where a
// quotation may begin.
type recent struct {
	text []byte
}

// maxRecent bounds its bytes.
const maxRecent = 2 * maxAttribution

func (r *recent) add(text string) {
	if len(text) > maxRecent {
		text = text[len(text)-maxRecent:]
	}
	if len(r.text)+len(text) > 4*maxRecent {
		r.text = append(r.text[:0], r.text[max(0, len(r.text)-maxRecent):]...)
	}
	r.text = append(r.text, text...)
}

func (r *recent) newLine() {
	if n := len(r.text); n > 0 && r.text[n-1] != '\n' {
		r.text = append(r.text, '\n')
	}
}

// last gives the last lines that are not blank, the blanks in them collapsed.
func (r *recent) last(n int) []textLine {
	text := strings.ToValidUTF8(string(r.text[max(0, len(r.text)-maxRecent):]), "")
	var lines []textLine
	for _, line := range strings.Split(text, "\n") {
		if line = oneLine(line); line != "" {
			lines = append(lines, textLine{text: line})
		}
	}
	return lines[max(0, len(lines)-n):]
}

// introduces says whether what was written last reads like "On … wrote:".
func (r *recent) introduces() bool {
	if n := len(r.text); n == 0 || !endsInColon(r.text) {
		return false
	}
	lines := r.last(attributionLines)
	for i := range lines {
		if n := introduction(lines, i); n > 0 && i+n == len(lines) {
			return true
		}
	}
	return false
}

func endsInColon(text []byte) bool {
	tail := strings.TrimRight(string(text[max(0, len(text)-16):]), " \n\t\u00a0")
	return strings.HasSuffix(tail, ":") || strings.HasSuffix(tail, "：")
}

// separates says whether what was written last is a line such as "-----Original
// Message-----".
func (r *recent) separates() bool {
	n := len(r.text)
	for n > 0 && (r.text[n-1] == '\n' || r.text[n-1] == ' ' || r.text[n-1] == '\t') {
		n--
	}
	if n == 0 || r.text[n-1] != '-' && r.text[n-1] != '_' && r.text[n-1] != ':' && r.text[n-1] != '*' {
		return false
	}
	start := n
	for start > 0 && n-start < maxSentLine && r.text[start-1] != '\n' {
		start--
	}
	return separator(strings.TrimSpace(string(r.text[start:n]))) == namedSeparator
}
