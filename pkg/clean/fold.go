package clean

import "strings"

func foldTags(class string) string {
	words := "Quoted text"
	if class == ClassSignature {
		words = "Signature"
	}
	return `<details class="` + class + `"><summary>` + words + `</summary>`
}

// foldMarks are the classes and ids by which mail programs mark history and
// signatures in HTML.
var foldMarks = map[string]string{
	"gmail_quote": ClassQuote, "gmail_quote_container": ClassQuote, "yahoo_quoted": ClassQuote,
	"protonmail_quote": ClassQuote, "tutanota_quote": ClassQuote, "zmail_extra": ClassQuote,
	"moz-forward-container": ClassQuote, "replyforwardcontainer": ClassQuote,
	"mail-editor-reference-message-container": ClassQuote, "ox_quote": ClassQuote,
	"gmx_quote": ClassQuote, "quote": ClassQuote, "freebirdquote": ClassQuote,
	"gmail_signature": ClassSignature, "moz-signature": ClassSignature,
	"protonmail_signature_block": ClassSignature, "ms-outlook-mobile-signature": ClassSignature,
	"signature": ClassSignature, "x_signature": ClassSignature, "applemailsignature": ClassSignature,
}

// foldApart marks elements after which all of the rest is history: Outlook puts
// its header block beside the quoted mail, not around it.
var foldApart = map[string]bool{"divrplyfwdmsg": true, "x_divrplyfwdmsg": true, "appendonsend": true}

// fold says whether an element starts history or a signature, and whether its
// later siblings belong to it.
func (w *walker) fold(name string) (class string, apart bool) {
	switch name {
	case "blockquote":
		if strings.EqualFold(w.attributes.value(attrType), "cite") {
			return ClassQuote, false
		}
	case "div", "section", "pre":
	default:
		return "", false
	}
	id := strings.ToLower(cutText(w.attributes.value(attrID), 64))
	if foldApart[id] {
		return ClassQuote, true
	}
	if class := foldMarks[id]; class != "" && w.attributes.has(attrID) {
		return class, false
	}
	for _, word := range strings.Fields(cutText(w.attributes.value(attrClass), 256)) {
		if class := foldMarks[strings.ToLower(word)]; class != "" {
			return class, false
		}
	}
	return "", false
}
