package pii

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A topic is what words are about.
type topic int

const (
	aboutCard topic = iota
	aboutCVV
	aboutIBAN
	aboutBIC
	aboutAccount
	aboutPhone
	aboutPhoneLabel // words that label a number only when right beside it
	aboutOrder      // orders, invoices, parcels: numbers that are nobody's
	aboutBirth
	aboutPassword
	aboutPIN
	aboutCode
	aboutKey
	aboutPassport
	aboutLicense
	aboutHealth
	aboutTax
	aboutVersion
	aboutIP
	aboutNational // national id of a country that the words do not name
	aboutSSN
	aboutITIN
	aboutRouting
	aboutNINO
	aboutNHS
	aboutUTR
	aboutDETax
	aboutDESocial
	aboutIDCard
	aboutATSocial
	aboutNIR
	aboutBSN
	aboutBE
	aboutPPS
	aboutPTNIF
	aboutDK
	aboutSE
	aboutNO
	aboutEE
	aboutLT
	aboutLV
	aboutPESEL
	aboutNIP
	aboutCZ
	aboutHUTax
	aboutHUTAJ
	aboutCNP
	aboutEGN
	aboutOIB
	aboutEMSO
	aboutAMKA
	aboutAFM
	aboutPIVA
	aboutLU
	aboutSIN
	aboutTFN
	aboutABN
	aboutMedicare
	aboutAadhaar
	aboutPAN
	aboutCPF
	aboutZA
	aboutTR
	aboutIL
	aboutEmail
	aboutAddress
	aboutBox
	aboutVAT
	aboutDETaxNumber
	aboutEIN
	aboutATTax
	aboutFRTax
	aboutSITax
	aboutSK
	aboutLNC
	aboutVoter
	aboutGST
	aboutCC
	aboutVerify
	lastTopic // none: how many there are
)

// topics are a set of them.
type topics [2]uint64

func (t *topics) add(about topic)     { t[about/64] |= 1 << (about % 64) }
func (t *topics) join(other topics)   { t[0], t[1] = t[0]|other[0], t[1]|other[1] }
func (t topics) has(about topic) bool { return t[about/64]&(1<<(about%64)) != 0 }
func (t topics) any(of topics) bool   { return t[0]&of[0]|t[1]&of[1] != 0 }

func topicsOf(list ...topic) (set topics) {
	for _, about := range list {
		set.add(about)
	}
	return set
}

// A mark is a word or phrase of the text that is about something.
type mark struct {
	start, end int
	topics     topics
}

// phrases lists what words are about. Words are lower case; parts of a phrase
// may be apart by spaces, dots, hyphens, slashes, underscores or apostrophes.
var phrases = map[topic]string{
	aboutCard: `card|cards|cc|credit card|debit card|visa|mastercard|amex|american express|maestro|diners|discover|jcb|
		karte|kreditkarte|kreditkartennummer|kartennummer|bankkarte|carte bancaire|carte|tarjeta|carta|carta di credito|
		creditcard|kaart|cartao|cartão|karta|karty|kort|kortnummer|pan|カード|クレジットカード|信用卡|卡号`,
	aboutCVV:  `cvv|cvv2|cvc|cvc2|cid|card verification|security code|kartenprüfnummer|prüfziffer|cryptogramme|código de seguridad`,
	aboutIBAN: `iban|bank account|kontonummer|bankverbindung|compte bancaire|rib|conto corrente|cuenta bancaria`,
	aboutBIC:  `bic|swift|swift code|bic swift|bankleitzahl`,
	aboutAccount: `account number|account no|acct|acct no|bank account|kontonummer|konto|konto nr|kontonr|konto nummer|numéro de compte|
		número de cuenta|rekeningnummer|numero di conto|sort code`,
	aboutPhone: `phone|phones|telephone|telephone number|tel|mobile|mobil|mobilnummer|cell|cellphone|cell number|fax|call|calls|call me|called|
		calling|dial|ring me|text me|sms|whatsapp|signal|telegram|hotline|contact number|phone number|telefon|telefonnummer|telefono|
		teléfono|telefone|téléphone|telefoon|telefoonnummer|handy|handynummer|rufnummer|rückruf|anrufen|anruf|erreichen|erreichbar|durchwahl|
		portable|appeler|appelez|joignable|llamar|llámame|móvil|movil|celular|cellulare|chiamare|chiamami|bellen|mobiel|puhelin|
		puhelinnumero|telefonnr|tlf|telefonní|numer telefonu|tel nr|komórka|телефон|тел|мобильный|電話|電話番号|携帯|电话|手机|전화|번호|
		הטלפון|هاتف|landline|voicemail|answering at|reached at|reachable at|messages to|message to|text messages|texts to|texting|texted|phoned|dialled|dialed|rang|calls from|called from|joindre|contacter au|mon numéro|mi número|mi numero|mio numero|mój numer|meu número|meine nummer|mijn nummer|mitt nummer|mit nummer|mitt telefonnummer|numaram|мой номер|мій номер|moje číslo|mé číslo|számom|telefonszámom|numărul meu|ο αριθμός μου|numeroni|please text|text me at|llamada|llamadas|ligar|ligue|ligação|telefonar|zadzwonić|zadzwoń|dzwonić|ringa|ring til|звонить|позвоните|звоните|дзвоніть|zavolejte|volat|hívjon|hívás|sunați|apel|καλέστε|desk phone|reach me|my number|number is`,
	aboutPhoneLabel: `office|desk|home|work|direct|main|private|privat|büro|bureau|oficina|ufficio|kantoor`,
	aboutOrder: `order|boarding pass|bus pass|day pass|season pass|ski pass|promo code|discount code|voucher|voucher code|coupon|coupon code|gutschein|gutscheincode|error code|fehlercode|postal code|zip code|code postal|orders|order number|order no|order id|offer|invoice|invoices|invoice number|tracking|tracking number|parcel|shipment|
		consignment|ticket|ticket number|case|case number|case id|reference|reference number|ref|ref no|reference no|sku|item|item number|article|
		product|serial|serial number|part number|model|isbn|issn|ean|upc|gtin|asin|quantity|qty|price|amount|total|transaction|transaction id|
		booking|reservation|confirmation number|customer number|customer id|customer no|delivery|waybill|awb|usps|ups|fedex|dhl|dpd|gls|hermes|
		bestellung|bestellnummer|bestellnr|bestell nr|auftrag|auftragsnummer|auftragsnr|rechnung|rechnungsnummer|rechnungsnr|rechnungs nr|
		sendung|sendungsnummer|sendungsnr|paketnummer|vorgang|vorgangsnummer|artikel|artikelnummer|artikelnr|kundennummer|kundennr|kunden nr|
		lieferschein|lieferung|vertragsnummer|aktenzeichen|seriennummer|betrag|menge|commande|numéro de commande|facture|suivi|colis|référence|
		pedido|número de pedido|factura|seguimiento|envío|referencia|ordine|numero ordine|fattura|spedizione|bestelling|bestelnummer|factuur|
		zending|zamówienie|zamówienia|faktura|przesyłka|encomenda|fatura|pedidos|ordre|ordrenummer|注文|注文番号|注文番號|追跡番号|订单|订单号|件名|version|build|
		release|revision|timestamp|hash|checksum|log|pid|port|line|row|page|chapter|paragraph|section|law|act|chargennummer|message id`,
	aboutBirth: `birth|birthday|date of birth|dob|d o b|born|born on|birthdate|birth date|geburtsdatum|geburtstag|geboren|geboren am|geb|geb am|
		date de naissance|né le|née le|naissance|fecha de nacimiento|nacimiento|nacido|nacida|nacido el|data di nascita|nato il|nata il|nascita|
		data de nascimento|nascimento|nascido em|nascida em|geboortedatum|geboren op|data urodzenia|urodzony|urodzona|født|fødselsdato|född|
		födelsedatum|syntymäaika|datum narození|дата рождения|родился|родилась|生年月日|誕生日|出生日期|생년월일|생일|출생|ημερομηνία γέννησης|γεννήθηκα|γεννήθηκε|γεννημένος|γεννημένη|doğum tarihi|doğum|doğumlu|narozen|narozena|narozený|született|születési dátum|születési idő|szül|data nașterii|născut|născută|народився|народилася|дата народження|д р|fødselsdag|födelsedag|syntynyt|rođen|rođena|datum rođenja|rojen|rojena|datum rojstva|роден|родена|дата на раждане|dzimšanas datums|gimimo data|sünniaeg|sündinud|dátum narodenia|narodený|narodená|ngày sinh`,
	aboutPassword: `password|passwort|kennwort|pwd|passwd|passphrase|pass phrase|zugangspasswort|mot de passe|mdp|contraseña|contrasena|clave|
		wachtwoord|senha|parola d'ordine|parola|lösenord|adgangskode|passord|salasana|hasło|haslo|heslo|jelszó|parolă|пароль|パスワード|暗証番号|密码|密碼|비밀번호|
		login password|wifi password|wlan schlüssel|wlan passwort|pw|pass|psw|şifre|parola|lozinka|geslo|κωδικός πρόσβασης|κωδικός`,
	aboutPIN: `pin|pin code|pin number|pincode|pin nummer|geheimzahl|code pin|código pin|codice pin|puk|atm pin|card pin`,
	aboutCode: `otp|one time code|one time password|one time passcode|onetime code|verification code|security code|login code|sign in code|
		authentication code|auth code|access code|confirmation code|passcode|two factor code|activation code|sms code|tan|mtan|smstan|einmalcode|
		einmalpasswort|einmalkennwort|bestätigungscode|sicherheitscode|verifizierungscode|freischaltcode|anmeldecode|code de vérification|
		code de sécurité|code de confirmation|código de verificación|código de seguridad|código de confirmación|codice di verifica|codice di sicurezza|
		verificatiecode|código de verificação|kod weryfikacyjny|verifieringskod|код подтверждения|ваш код|код доступа|смс код|код из смс|код для входа|codigo de verificacion|doğrulama kodu|ellenőrző kód|cod de verificare|κωδικός επαλήθευσης|bekræftelseskode|vahvistuskoodi|engangskode|engangskod|kod jednorazowy|hasło jednorazowe|jednorázový kód|ověřovací kód|認証 コード|確認 コード|验证码|驗證碼|인증번호|verification pin`,
	aboutKey: `api key|apikey|api token|access token|access key|secret key|secret|client secret|auth token|bearer|token|private key|
		api schlüssel|clé api|clave api|x api key|aws secret access key|refresh token|session token|authorization|account key|accountkey|shared access key|sharedaccesskey|signing key|encryption key|webhook secret|license key|lizenzschlüssel|seed phrase`,
	aboutPassport: `passport|passport number|passport no|reisepass|reisepassnummer|passnummer|pass nr|passeport|pasaporte|passaporto|paspoort|
		paspoortnummer|passaporte|paszport|паспорт|旅券番号|護照|护照`,
	aboutLicense: `driver license|drivers license|driver s license|driving licence|driving license|drivers licence|driver licence|licence number|
		license number|dl number|dl|dl no|führerschein|führerscheinnummer|fahrerlaubnis|permis de conduire|patente di guida|permiso de conducir|rijbewijs|
		rijbewijsnummer|carta de condução|prawo jazdy|körkort|kørekort|運転免許証番号`,
	aboutHealth: `health insurance|insurance number|insurance id|insurance no|member id|policy number|krankenversicherung|
		krankenversichertennummer|krankenversicherungsnummer|versichertennummer|versicherten nr|gesundheitskarte|kvnr|krankenkasse|
		versicherungsnummer|carte vitale|tarjeta sanitaria|tessera sanitaria|zorgverzekering|polisnummer|assurance maladie|ehic|medical record|mrn|patient id`,
	aboutTax:     `tax|tax id|tax number|tax no|tin|taxpayer|vat|vat number|vat id|fiscal|steuer|steuernummer|steuer nr|numéro fiscal|ust idnr|ustid|nif|cif`,
	aboutVersion: `version|versions|build|release|firmware|ver|rev|revision|v|driver|section|chapter|oid`,
	aboutIP:      `ip|ipv4|ipv6|ip address|ip adresse|adresse ip|host|gateway|server|dns|subnet|address`,
	aboutNational: `national id|national identity|identity number|identification number|id number|id card|personal number|personal id|personal code|
		citizen id|social security|social insurance|national insurance|personnummer|personalausweis|ausweisnummer|ausweis|identité|identidad|identidade|
		identità|identiteit|idnr|id nr|id no|ident nr|dni|documento|document number`,
	aboutSSN:      `ssn|my social|social security|social security number|soc sec|ss no|sozialversicherungsnummer usa`,
	aboutITIN:     `itin|individual taxpayer|taxpayer identification|taxpayer id|tax id`,
	aboutRouting:  `routing|routing number|aba|aba number|rtn|transit number|bank routing`,
	aboutNINO:     `nino|ni number|ni no|national insurance|national insurance number`,
	aboutNHS:      `nhs|nhs number|nhs no`,
	aboutUTR:      `utr|unique taxpayer reference|self assessment`,
	aboutDETax:    `idnr|steuer id|steuerid|steuer idnr|steuer identifikationsnummer|steueridentifikationsnummer|identifikationsnummer|tin|tax id|steuerliche`,
	aboutDESocial: `sozialversicherungsnummer|sv nummer|sv nr|svnr|rentenversicherungsnummer|rv nummer|versicherungsnummer|sozialversicherung`,
	aboutIDCard:   `personalausweis|personalausweisnummer|ausweisnummer|ausweis nr|ausweis|id card|identity card|id card number`,
	aboutATSocial: `svnr|sv nummer|sv nr|sozialversicherungsnummer|sozialversicherung|versicherungsnummer|e card`,
	aboutNIR:      `nir|numéro de sécurité sociale|sécurité sociale|securite sociale|n sécu|numéro insee|insee|carte vitale|numéro ss`,
	aboutBSN:      `bsn|burgerservicenummer|sofinummer|sofi nummer|citizen service number|btw`,
	aboutBE:       `rijksregisternummer|rijksregister|registre national|numéro national|numéro de registre national|insz|niss|nationaal nummer`,
	aboutPPS:      `pps|ppsn|pps number|pps no|personal public service`,
	aboutPTNIF:    `nif|contribuinte|número de contribuinte|número fiscal|nipc|identificação fiscal`,
	aboutDK:       `cpr|cpr nummer|cpr nr|personnummer`,
	aboutSE:       `personnummer|personnr|samordningsnummer|person nr`,
	aboutNO:       `fødselsnummer|fodselsnummer|personnummer|fnr|d nummer`,
	aboutEE:       `isikukood|personal code|personal identification code|isikukoodi`,
	aboutLT:       `asmens kodas|asmens kodą|asmens kodo|lithuanian personal code`,
	aboutLV:       `personas kods|personas kodu|personal code`,
	aboutPESEL:    `pesel|numer pesel`,
	aboutNIP:      `nip|numer nip`,
	aboutCZ:       `rodné číslo|rodne cislo|rodného čísla|birth number|rč`,
	aboutHUTax:    `adóazonosító|adóazonosító jel|adószám|tax id`,
	aboutHUTAJ:    `taj|taj szám|tajszám|társadalombiztosítási`,
	aboutCNP:      `cnp|cod numeric personal`,
	aboutEGN:      `егн|egn|единен граждански номер`,
	aboutOIB:      `oib|osobni identifikacijski broj`,
	aboutEMSO:     `emšo|emso|jmbg`,
	aboutAMKA:     `αμκα|amka`,
	aboutAFM:      `αφμ|afm|α φ μ`,
	aboutPIVA:     `partita iva|p iva|piva|vat|codice fiscale`,
	aboutLU:       `matricule|numéro d'identification|matricule nationale`,
	aboutSIN:      `sin|social insurance|social insurance number|nas|numéro d'assurance sociale|assurance sociale`,
	aboutTFN:      `tfn|tax file|tax file number`,
	aboutABN:      `abn|australian business number|acn`,
	aboutMedicare: `medicare|medicare number|medicare no|medicare card`,
	aboutAadhaar:  `aadhaar|aadhar|adhaar|uidai|uid|आधार`,
	aboutPAN:      `pan|pan number|pan card|permanent account number`,
	aboutCPF:      `cpf|cnpj|cadastro`,
	aboutZA:       `id number|south african id|sa id|identity number`,
	aboutTR:       `tc kimlik|tckn|kimlik|kimlik no|tc no|t c kimlik`,
	aboutEmail:    `mail|email|e mail|mails|emails|mailadresse|e mail adresse|emailadresse|courriel|correo|correo electrónico|posta|write to|schreib|schreiben|contact|kontakt|reach me|address|adresse|電子メール|メール|邮箱|почта`,
	aboutAddress: `address|addresses|billing address|shipping address|home address|mailing address|lives at|live at|living at|lives in|resides at|residing at|residence|
		located at|office is at|offices are at|sent to|send to|ship to|shipped to|deliver to|delivered to|delivery to|meet at|meet you at|meet me at|arrived at|return to|corner of|
		side of|station is on|drops you off at|stop at|enter on|adresse|anschrift|lieferadresse|rechnungsadresse|postanschrift|wohnhaft|wohnhaft in|wohne|wohnt|wohnen|wohnort|
		straße|liefern an|schicken an|indirizzo|residente|abito|dirección|direccion|domicilio|vivo en|endereço|morada|morador|moro|adres|adresem|zamieszkały|zamieszkała|woonachtig|woon|
		adress|bor på|bosatt|osoite|asun|adresa|bydliště|bydlisko|cím|lakcím|lakcímem|адрес|адреса|проживаю|διεύθυνση|地址|住所|주소|j'habite|habite|domicilié|demeurant`,
	aboutBox: `po box|p o box|pobox|post office box|box|postbox|postfach|boîte postale|bp|apartado|apartado de correos|casella postale|postbus|postboks|postboks|
		skrytka pocztowa|poštovní přihrádka|pf|caixa postal|а я`,
	aboutVAT: `vat|vat number|vat no|vat id|vat reg no|ust id|ust idnr|ustid|ustidnr|ust id nr|umsatzsteuer|umsatzsteuer id|uid|uid nummer|mwst|mwst nr|tva|n tva|
		numéro de tva|iva|partita iva|p iva|btw|btw nummer|nif|nif iva|cif|dph|dič|ddv|áfa|adószám|közösségi adószám|pvm|pvm kodas|pvn|kmkr|moms|momsnr|
		momsreg|vat registreringsnummer|alv|y tunnus|αφμ|φπα|ддс|cui|cod fiscal|oib|pdv|nip|nip ue|tin|tax id|tax number`,
	aboutDETaxNumber: `steuernummer|steuer nr|st nr|stnr|steuernr`,
	aboutEIN:         `ein number|ein no|employer identification|employer identification number|employer id|fein|federal tax id|federal tax`,
	aboutATTax:       `abgabenkontonummer|steuernummer|steuer nr|st nr|finanzamt`,
	aboutFRTax:       `numéro fiscal|numéro fiscal de référence|n fiscal|spi|numéro spi|identifiant fiscal|nif`,
	aboutSITax:       `davčna|davčna številka|davčno številko|davcna stevilka`,
	aboutSK:          `občiansky preukaz|slovenské rodné číslo|slovak birth number|rodné číslo sr|slovenská republika|slovensko|bratislava|košice`,
	aboutLNC:         `лнч|lnch|lnc|личен номер на чужденец`,
	aboutVoter:       `voter id|voter|epic|epic number|election card|electoral`,
	aboutGST:         `gst|gstin|gst number|gst no|gst registration`,
	aboutCC:          `cartão de cidadão|cartao de cidadao|cartão do cidadão|número de documento|documento de identificação|bilhete de identidade`,
	aboutVerify:      `to verify|to log in|to login|to sign in|to complete|to confirm|to continue|to reset|to access`,
	aboutIL:          `teudat zehut|תעודת זהות|ת ז|israeli id|id number|תז`,
}

type phrase struct {
	rest   []string
	topics topics
}

// lexicon maps a phrase's first word to the phrases that it opens.
var lexicon = func() map[string][]phrase {
	lexicon := map[string][]phrase{}
	for about, list := range phrases {
		for _, entry := range strings.Split(list, "|") {
			fields := strings.FieldsFunc(strings.Map(small, entry), func(r rune) bool { return unicode.IsSpace(r) || r == '\'' })
			lexicon[fields[0]] = append(lexicon[fields[0]], phrase{fields[1:], topicsOf(about)})
		}
	}
	return lexicon
}()

// sieve tells of most words of ASCII, by a few of their bytes, that they are not
// in the lexicon.
var sieve = func() (table [1 << sieveBits]bool) {
	for word := range lexicon {
		table[sieveIndex(word)] = true
	}
	return table
}()

const sieveBits = 13

// sieveIndex is the same for a word of ASCII in capitals and in small letters.
func sieveIndex(word string) uint32 {
	n := len(word)
	bytes := uint32(word[0]) | uint32(word[n/2])<<8 | uint32(word[n-1])<<16
	return (bytes | 0x202020 | uint32(n)<<24) * 0x9E3779B1 >> (32 - sieveBits)
}

// maxWord bounds the bytes of a word that is looked up.
const maxWord = 48

// words marks the words of the text that are about something.
func (s *scan) words() {
	text := s.text
	for i := 0; i < len(text); {
		start, end := i, i
		if isLetter(text[i]) {
			for end++; end < len(text) && isAlnum(text[end]); end++ {
			}
			// Letters beyond ASCII may change their bytes in lower case.
			if (end == len(text) || text[end] < utf8.RuneSelf) && !sieve[sieveIndex(text[start:end])] {
				i = end
				continue
			}
			end = wordAt(text, start)
		} else if text[i] < utf8.RuneSelf {
			i++
			continue
		} else if start, end = nextWord(text, i); start == end {
			return
		}
		i = end
		list := look(text[start:end])
		if len(list) == 0 {
			continue
		}
		var about topics
		longest := end
		for _, p := range list {
			at, ok := end, true
			for _, want := range p.rest {
				a, b := nextWord(s.text, at)
				if ok = a-at <= 3 && glue(s.text[at:a]) && lower(s.text[a:b]) == want; !ok {
					break
				}
				at = b
			}
			if ok {
				about.join(p.topics)
				longest = max(longest, at)
			}
		}
		if about != (topics{}) {
			if s.marks == nil {
				s.marks = make([]mark, 0, 16)
			}
			s.marks = append(s.marks, mark{start, longest, about})
			s.topics.join(about)
			i = longest // a phrase is not read again from its middle: "serial number is"
		}
	}
}

// look finds a word in the lexicon in lower case, without allocating for ASCII.
func look(word string) []phrase {
	if len(word) > maxWord {
		return nil
	}
	var buffer [maxWord]byte
	for i := 0; i < len(word); i++ {
		c := word[i]
		if c >= 0x80 {
			return lexicon[lower(word)]
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		buffer[i] = c
	}
	return lexicon[string(buffer[:len(word)])]
}

func glue(gap string) bool {
	return strings.Trim(gap, " \t\n.-/_'’") == ""
}

func lower(word string) string {
	if len(word) > maxWord {
		return ""
	}
	for i := 0; i < len(word); i++ {
		if c := word[i]; c >= 0x80 || c >= 'A' && c <= 'Z' {
			return strings.Map(small, word)
		}
	}
	return word
}

// small gives a letter in lower case. The two small sigmas are one, and so are
// Greek vowels with their accent, which capitals mostly go without, and without.
func small(r rune) rune {
	switch r = unicode.ToLower(r); r {
	case 'ς':
		return 'σ'
	case 'ά':
		return 'α'
	case 'έ':
		return 'ε'
	case 'ή':
		return 'η'
	case 'ί', 'ϊ', 'ΐ':
		return 'ι'
	case 'ό':
		return 'ο'
	case 'ύ':
		return 'υ'
	case 'ώ':
		return 'ω'
	}
	return r
}

// nextWord finds the next run of letters of one sort at or after i. Writings
// without spaces are cut where kanji, hiragana and katakana meet. A digit within
// or after Latin letters belongs to the word (cvv2, 2fa).
func nextWord(text string, i int) (start, end int) {
	for i < len(text) {
		c := text[i]
		if c < utf8.RuneSelf {
			if isLetter(c) {
				break
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if sort := sortOf(r); sort != noWord && sort != digitWord {
			break
		}
		i += size
	}
	return i, wordAt(text, i)
}

// wordAt gives the end of the word that begins right at i, i where none does.
func wordAt(text string, i int) int {
	var sort wordSort
	for i < len(text) {
		c := text[i]
		if c < utf8.RuneSelf {
			next := noWord
			switch {
			case isLetter(c):
				next = letterWord
			case isDigit(c) && sort == letterWord:
				next = letterWord
			}
			if next == noWord || sort != noWord && next != sort {
				break
			}
			sort = next
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		next := sortOf(r)
		if next == noWord || next == digitWord || sort != noWord && next != sort {
			break
		}
		sort = next
		i += size
	}
	return i
}

type wordSort uint8

const (
	noWord wordSort = iota
	letterWord
	digitWord
	hanWord
	hiraganaWord
	katakanaWord
)

func sortOf(r rune) wordSort {
	switch {
	case r < 0x80:
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			return letterWord
		case r >= '0' && r <= '9':
			return digitWord
		}
		return noWord
	case r >= 0x3041 && r <= 0x309F:
		return hiraganaWord
	case r >= 0x30A0 && r <= 0x30FF:
		return katakanaWord
	case r >= 0x4E00 && r <= 0x9FFF:
		return hanWord
	case unicode.IsLetter(r) || unicode.IsMark(r):
		return letterWord
	}
	return noWord
}

// near says whether words about the topic end at most before bytes ahead of
// start, or begin at most after bytes behind end.
func (s *scan) near(about topic, start, end, before, after int) bool {
	if !s.topics.has(about) {
		return false
	}
	_, ok := s.distance(about, start, before)
	if ok || after == 0 {
		return ok
	}
	i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].start >= end })
	for ; i < len(s.marks) && s.marks[i].start <= end+after; i++ {
		if s.marks[i].topics.has(about) {
			return true
		}
	}
	return false
}

// distance gives the bytes between the nearest words about the topic and start.
func (s *scan) distance(about topic, start, before int) (int, bool) {
	if !s.topics.has(about) {
		return 0, false
	}
	i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].start >= start }) - 1
	for ; i >= 0 && s.marks[i].start >= start-before-maxWord; i-- {
		gap := start - s.marks[i].end
		if gap > before {
			continue
		}
		if s.marks[i].topics.has(about) {
			return max(gap, 0), true
		}
	}
	return 0, false
}

// nobodys says whether words right before start speak of an order, an invoice or
// the like, and none about the topic stands nearer.
func (s *scan) nobodys(start int, about topic) bool {
	order, ok := s.distance(aboutOrder, start, 24)
	if !ok {
		return false
	}
	own, ok := s.distance(about, start, 60)
	return !ok || own > order
}
