package desk

import (
	"slices"
	"strings"

	"github.com/postern-mail/postern/pkg/attachment"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// Codes are for programs; here is what people read in their place.

var scanText = map[string]string{
	"clean": "Clean", "infected": "Infected", "suspicious": "Suspicious", "encrypted": "Encrypted", "limit": "Too large to check",
	"ambiguous": "Ambiguous", "unsupported": "Cannot be checked", "error": "Check failed",
}

func scanWords(verdict string) string { return worded(scanText, verdict, "Not checked") }

func worded(words map[string]string, code, otherwise string) string {
	if text, ok := words[code]; ok {
		return text
	}
	return otherwise
}

// pill gives the class that colours a verdict.
func pill(verdict string) string {
	switch verdict {
	case "clean":
		return "good"
	case "infected":
		return "bad"
	}
	return "unsure"
}

func scanSentence(code string) string {
	return attachment.Reason(code).Sentence()
}

// scanSentences are those of several codes, each once: all that is ambiguous has the same.
func scanSentences(codes []string) []string {
	var all []string
	for _, code := range codes {
		if text := scanSentence(code); !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}

// sentence makes the best of a code that no table explains.
func sentence(code string) string {
	text := strings.ReplaceAll(code, "_", " ")
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// noticeText says what sanitizing wants an agent to know.
var noticeText = map[string]string{
	"ambiguous_text":       "Different mail programs can show different words for this mail. What you read here may not be what its author saw.",
	"text_cut":             "This mail is longer than is shown here: the end is missing.",
	"misleading_link":      "A link in this mail names one site and leads to another. The true one stands beside it.",
	"deceiving_host":       "A link in this mail leads to a bare number, or to a name whose letters imitate those of another. What it really is stands beside it.",
	"hidden_text":          "Some words of this mail were hidden from its readers by its author. They are shown here, underlined with dots.",
	"alternatives_differ":  "This mail says one thing as plain text and another as formatted text. Look at both before you answer.",
	"no_text":              "This mail has no words of its own. Look at the attachments.",
	"empty_mail":           "This mail holds no words and no attachments.",
	"all_left_out":         "Nothing of this mail can be shown: it is made of scripts, forms or pictures from elsewhere only, which are left out.",
	"encrypted_mail":       "The words of this mail are encrypted and cannot be read here.",
	"partly_encrypted":     "Some words of this mail came encrypted and others did not. They may be of different people: quote the encrypted ones to nobody but their author.",
	"keys_changed":         "The company's keys were changed while this mail was being checked, so that what is encrypted in it stays closed.",
	"images_left_out":      "Some pictures are too many or too large to be shown.",
	"charset_not_declared": "The mail does not say how its letters are written, so some may be wrong.",
}

func noticeSentence(code string) string { return worded(noticeText, code, sentence(code)) }

// graveNotice says whether a notice warns of somebody who may be deceiving.
func graveNotice(code string) bool {
	switch code {
	case "ambiguous_text", "misleading_link", "deceiving_host", "alternatives_differ":
		return true
	}
	return false
}

var kindText = map[string]string{
	"list": "Mailing list", "auto_reply": "Automatic reply", "bounce": "Undeliverable", "receipt": "Receipt", "report": "Report", "calendar": "Calendar",
}

func kindWords(kind string) string { return kindText[kind] }

// maskText names kinds of personal data.
var maskText = map[string]string{
	"private_key": "Private key", "api_key": "API key", "crypto_wallet": "Crypto wallet", "iban": "IBAN", "payment_card": "Payment card",
	"card_security_code": "Card security code", "email": "Email address", "ip": "IP address", "us_ssn": "US Social Security number",
	"us_itin": "US taxpayer number (ITIN)", "us_bank_routing": "US bank routing number", "uk_nino": "UK National Insurance number",
	"uk_nhs": "UK NHS number", "uk_utr": "UK taxpayer reference", "de_tax_id": "German tax number", "de_social_security": "German social insurance number",
	"de_health_insurance": "German health insurance number", "de_id_card": "German identity card", "at_social_security": "Austrian social insurance number",
	"ch_ahv": "Swiss AHV number", "fr_nir": "French social security number", "es_nif": "Spanish NIF", "es_nie": "Spanish NIE",
	"it_fiscal_code": "Italian tax code", "it_vat": "Italian VAT number", "pt_nif": "Portuguese NIF", "nl_bsn": "Dutch citizen number (BSN)",
	"be_national_number": "Belgian national number", "lu_national_id": "Luxembourg national number", "ie_pps": "Irish PPS number",
	"dk_cpr": "Danish CPR number", "se_personnummer": "Swedish personal number", "no_fodselsnummer": "Norwegian birth number",
	"fi_hetu": "Finnish identity code", "ee_isikukood": "Estonian personal code", "lt_asmens_kodas": "Lithuanian personal code",
	"lv_personas_kods": "Latvian personal code", "pl_pesel": "Polish PESEL number", "pl_nip": "Polish tax number (NIP)",
	"cz_rodne_cislo": "Czech birth number", "sk_rodne_cislo": "Slovak birth number", "hu_tax_id": "Hungarian tax number", "hu_taj": "Hungarian TAJ number",
	"ro_cnp": "Romanian CNP", "bg_egn": "Bulgarian EGN", "hr_oib": "Croatian OIB", "si_emso": "Slovenian EMŠO", "gr_amka": "Greek AMKA", "gr_afm": "Greek tax number",
	"cy_tin": "Cypriot tax number", "mt_id_card": "Maltese identity card", "ca_sin": "Canadian social insurance number", "au_tfn": "Australian tax file number",
	"au_abn": "Australian business number", "au_medicare": "Australian Medicare number", "in_aadhaar": "Indian Aadhaar number", "in_pan": "Indian PAN",
	"br_cpf": "Brazilian CPF", "br_cnpj": "Brazilian CNPJ", "mx_curp": "Mexican CURP", "za_id": "South African identity number", "tr_tckn": "Turkish identity number",
	"kr_rrn": "Korean resident number", "cn_resident_id": "Chinese resident number", "sg_nric": "Singapore NRIC", "il_id": "Israeli identity number",
	"us_passport": "US passport", "passport": "Passport", "driver_license": "Driving licence", "health_insurance": "Health insurance number", "bic": "Bank code (BIC)",
	"date_of_birth": "Date of birth", "one_time_code": "One-time code", "pin": "PIN", "password": "Password", "bank_account": "Bank account", "phone": "Telephone number",
	"postal_address": "Postal address", "vat_number": "VAT number", "de_tax_number": "German tax office number", "at_tax_number": "Austrian tax number",
	"fr_tax_number": "French tax number", "es_cif": "Spanish company tax number", "pt_citizen_card": "Portuguese citizen card", "si_tax_number": "Slovenian tax number",
	"bg_foreigner_number": "Bulgarian foreigner's number", "us_ein": "US employer number (EIN)", "in_gstin": "Indian GST number", "in_voter_id": "Indian voter card",
}

func maskWords(kind string) string {
	return worded(maskText, kind, strings.TrimSuffix(sentence(kind), "."))
}

func layerName(kind itemv1.LayerKind) string {
	switch kind {
	case rawLayer:
		return "original"
	case viewLayer:
		return "ticket"
	case piiLayer:
		return "masked values"
	}
	return ""
}

// layerWords names a layer as certificates have it.
func layerWords(layer string) string {
	return worded(map[string]string{"raw": layerName(rawLayer), "view": layerName(viewLayer), "pii": layerName(piiLayer)}, layer, layer)
}

var actText = map[string]string{
	"open": "opened", "reveal": "revealed a masked value", "breakglass": "was given the original", "download": "downloaded an attachment", "look_at_file": "looked at an attachment",
	"register": "registered", "file": "filed", "layers": "added the ticket's layers", "ticket": "made a ticket of it",
	"recall":    "recalled an attachment, which newer signatures do not pass",
	"set_aside": "set it aside", "setaside": "set it aside", "retry": "took it up again", "place": "found it again in a folder that was numbered anew", "hold": "placed a hold", "release": "lifted a hold",
	"destroy": "destroyed", "erase": "erased", "sign_in": "signed in", "sign_out": "signed out", "status": "changed the status", "assign": "assigned",
	"look_at_reads": "looked at who read", "look_at_reasons": "opened the typed reasons", "advance_clock": "moved the clock on",
	wishedErasure: "asked that it be deleted", "search": "searched among tickets",
	askedOriginal: "asked for the original", approvedOriginal: "approved handing out the original", refusedOriginal: "refused to hand out the original",
}

func actWords(act *auditv1.Act) string {
	if isCard(act) {
		return "saw it in a list"
	}
	text := worded(actText, act.GetAction(), strings.ReplaceAll(act.GetAction(), "_", " "))
	if name := layerName(act.GetLayer()); name != "" && act.GetAction() == "open" {
		text += " the " + name
	}
	return text
}

var outcomeText = map[string]string{
	"allowed": "allowed", "recalled": "not handed out: recalled", "refused": "refused", "unknown_item": "no such item", "not_present": "not there", "destroyed": "destroyed",
	"wrong_layer": "wrong layer", "forbidden": "not allowed", "stale_request": "too late", "replayed": "repeated", "held": "on hold", "conflict": "it is taken by something else", "malformed": "the request is not understood", "closed_bucket": "its period is closed",
}

func outcomeWords(code string) string {
	return worded(outcomeText, code, strings.ReplaceAll(code, "_", " "))
}

// asideText says what stopped a mail, and what to do.
var asideText = map[string]string{
	"killed_worker":      "Three times a worker died over it. An engineer has to look at it.",
	"patience_exhausted": "Something that it needed was away for longer than we wait. It can be tried again.",
	"garbled_event":      "What was said about it could not be read.",
	"oversize":           "It is larger than the mailbox's limit. It stays on the mail server; only its headers are here.",
	"size_unclear":       "The mail server never gave the same mail twice. Somebody has to look at it there.",
	"not_handed_over":    "The mail server lists it and never hands it over. Somebody has to look at it there.",
	"breaks_session":     "The mail server ends the session whenever it is asked for. Somebody has to look at it there.",
	"panicked":           "Working on it broke our own program. An engineer has to look at it.",
	"ingest_panicked":    "Taking it in broke our own program. An engineer has to look at it.",
	"sender_too_large":   "So much is said about its sender that the report of it is too large.",
	unreadable:           "Its record cannot be read. An engineer has to look at it.",
	"unexpected_event":   "It came to a service that has nothing to do with it.",
	"not_rendered":       "It came to the desk without its words.",
	"no_berth":           "It was filed without a place for its ticket.",
	"report_too_large":   "So much is attached that the report of it is too large.",
}

var declinedText = map[string]string{
	"held": "it is on hold", "not_set_aside": "it was not set aside any more", "not_present": "its keys had been taken before",
	"unknown_item": "there is no record of it", "malformed": "the reason was not understood", "plan_differs": "it had changed meanwhile",
}

func declinedWords(code string) string {
	return worded(declinedText, code, strings.ReplaceAll(code, "_", " "))
}

func asideSentence(code string) string { return worded(asideText, code, sentence(code)) }

func causeWords(cause string) string {
	return worded(map[string]string{"expiry": "its time was over", "erasure": "erased on request", "orphan": "no record names it"}, cause, strings.ReplaceAll(cause, "_", " "))
}

var checkText = map[string]string{
	"buckets_forgotten": "Keys forgotten", "objects_listed": "Objects listed again", "objects_locked": "Objects under a lock",
	"versions_removed": "Versions and markers", "read_models_scrubbed": "Read models looked through",
}

func checkWords(code string) string {
	return worded(checkText, code, strings.TrimSuffix(sentence(code), "."))
}
