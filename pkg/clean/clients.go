package clean

import "strings"

// What mail programs write around what they quote, in the languages of their users:
// en de fr es it nl pt pl sv da nb fi cs hu ro el tr ru uk ja zh ko, and a few more.

// wroteWords are how they say "wrote" in the line above a quotation.
var wroteWords = []string{"wrote", "writes", "schrieb", "schreibt", "a écrit", "écrivait", "écrit", "escribió", "escribio", "escribe", "ha scritto", "scrisse", "scrive",
	"schreef", "escreveu", "escreveram", "napisał", "pisze", "napisal", "skrev", "skriver", "kirjoitti", "написал", "пишет", "пише", "написав", "написала", "napsal", "napísal", "írta",
	"a scris", "έγραψε", "yazdı", "yazmış", "写道", "寫道", "書きました", "のメール", "작성", "님이 쓴", "wrote", "je napisao", "je napisala", "написа", "kirjutas", "rašė", "rakstīja", "đã viết", "menulis", "כתב", "كتب"}

// onWords open such a line where it begins with a date.
var onWords = []string{"on ", "am ", "le ", "el ", "il ", "op ", "em ", "no dia ", "w dniu ", "dnia ", "den ", "dne ", "pada ", "at ", "på ", "în ", "pe ", "la ", "στις ", "στισ ", "την ", "dana ", "dňa ", "på ",
	"в ", "у ", "о ", "在 ", "於 ", "于 ", "2", "1", "3", "0", "mon", "tue", "wed", "thu", "fri", "sat", "sun", "mo", "di", "mi", "do", "fr", "sa", "so", "lun", "mar", "mer", "jeu", "ven", "sam", "dim",
	"mié", "jue", "vie", "sáb", "dom", "gio", "seg", "ter", "qua", "qui", "sex", "pon", "wt", "śr", "czw", "pt", "sob", "niedz", "mån", "tis", "ons", "tors", "fre", "lör", "sön", "man", "tir", "tor", "lør", "søn",
	"ma", "ti", "ke", "to", "pe", "la", "su", "po", "út", "st", "čt", "pá", "ne", "hét", "пн", "вт", "ср", "чт", "пт", "сб", "вс", "нд"}

// separators stand between dashes above history that bears no marks.
var separators = []string{"original message", "original-nachricht", "originalnachricht", "ursprüngliche nachricht", "original",
	"ursprungliche nachricht", "ursprüngliche e-mail", "message d'origine", "message d’origine", "message original", "mensaje original", "correo original",
	"messaggio originale", "oorspronkelijk bericht", "mensagem original", "forwarded message", "begin forwarded message", "anfang der weitergeleiteten",
	"weitergeleitete nachricht", "message transféré", "mensaje reenviado", "messaggio inoltrato", "doorgestuurd bericht", "mensagem encaminhada", "original appointment", "ursprünglicher termin",
	"oryginalna wiadomość", "wiadomość oryginalna", "wiadomość przekazana", "przekazana wiadomość", "ursprungligt meddelande", "vidarebefordrat meddelande", "original meddelelse", "oprindelig meddelelse",
	"opprinnelig melding", "videresendt melding", "videresendt meddelelse", "alkuperäinen viesti", "välitetty viesti", "пересылаемое сообщение", "исходное сообщение", "оригинал сообщения", "пересланное сообщение",
	"оригінальне повідомлення", "переслане повідомлення", "původní zpráva", "původní e-mail", "přeposlaná zpráva", "pôvodná správa", "eredeti üzenet", "továbbított üzenet", "mesaj original", "mesaj redirecționat",
	"mesajul original", "αρχικό μήνυμα", "προωθημένο μήνυμα", "orijinal ileti", "orijinal mesaj", "özgün ileti", "iletilmiş mesaj", "yönlendirilen ileti", "元のメッセージ", "転送されたメッセージ", "转发的邮件", "转发邮件信息", "原始邮件", "原始郵件",
	"轉寄的郵件", "邮件原件", "원본 메시지", "원본 메일", "전달된 메시지", "전달된 메일", "izvorna poruka", "izvirno sporočilo", "оригинално съобщение"}

// A label names a line of a quoted mail's header.
type label uint8

const (
	fromLabel label = 1 << iota
	sentLabel
	toLabel
	subjectLabel
)

// labels are the words before the colon of such lines.
var labels = func() map[string]label {
	table := map[string]label{}
	for kind, words := range map[label]string{
		fromLabel:    "from|von|de|da|van|od|från|fra|lähettäjä|feladó|de la|expeditor|από|kimden|gönderen|от|від|差出人|发件人|寄件者|寄件人|보낸 사람|보낸사람|od koga|pošiljatelj|no|nuo|saatja|expéditeur|remitente|mittente|afzender|absender|nadawca|avsändare|odesílatel|отправитель|发送者|from",
		sentLabel:    "sent|date|sent on|gesendet|datum|envoyé|date|envoyé le|enviado|enviado el|enviada em|fecha|inviato|data|data invio|verzonden|wysłano|skickat|sendt|dato|lähetetty|päivämäärä|päiväys|pvm|odesláno|odoslané|elküldve|dátum|küldve|trimis|στάλθηκε|ημερομηνία|εστάλη|gönderildi|tarih|gönderme tarihi|gönderilme tarihi|отправлено|дата|дата и время|надіслано|送信日時|日付|日時|发送时间|日期|时间|寄件日期|傳送時間|보낸 날짜|날짜|보낸 시간|poslano|datum slanja|saadetud|изпратено",
		toLabel:      "to|an|à|para|a|aan|do|till|til|vastaanottaja|komu|címzett|către|catre|προς|kime|alıcı|кому|до|宛先|收件人|收件者|받는 사람|받는사람|za|prima|destinataire|destinatario|pour|kopie|cc|kopie an|копия|adresat|αποδέκτης|saaja|kam|kam",
		subjectLabel: "subject|betreff|objet|asunto|oggetto|onderwerp|assunto|temat|ämne|emne|aihe|předmět|predmet|tárgy|subiect|θέμα|konu|тема|относно|件名|主题|主旨|主題|제목|zadeva|teema|tema|re",
	} {
		for word := range strings.SplitSeq(words, "|") {
			table[word] |= kind
		}
	}
	return table
}()

// sentWords say "sent" in the line that telephones add, and devices what by.
var (
	sentWords = []string{"sent", "gesendet", "gesandt", "geschickt", "envoyé", "envoyée", "enviado", "inviato", "inviata", "verstuurd", "verzonden", "wysłan", "skickat", "sendt", "lähetetty", "odeslán", "odoslan", "elküldve", "küldve",
		"trimis", "στάλθηκε", "εστάλη", "gönderildi", "отправлено", "надіслано", "відправлено", "送信", "发自", "發自", "傳送", "传送", "发送自", "보냄", "보낸", "poslano", "изпратено", "saadetud", "išsiųsta", "nosūtīts"}
	// byWords open such a line where it does not say "sent" first.
	byWords = []string{"von meinem", "von meiner", "diese nachricht wurde", "diese e-mail wurde", "iphone", "ipad", "나의", "내 ", "this email was sent", "this message was sent", "ce message", "este mensaje", "este correo", "questa e-mail", "dit bericht",
		"esta mensagem", "android"}
	devices = []string{"iphon", "ipad", "ipod", "apple watch", "android", "samsung", "galaxy", "outlook", "blackberry", "huawei", "xiaomi", "redmi", "oneplus", "pixel", "nokia", "lenovo", "motorola", "sony", "xperia", "windows phone",
		"windows mail", "mail für windows", "mail for windows", "courrier pour windows", "correo para windows", "posta per windows", "yahoo", "gmx", "web.de", "aol", "proton", "tutanota", "tuta", "fairemail", "k-9", "k9", "spark", "mailbird", "mail.ru", "yandex", "telekom",
		"smartphone", "telefon", "mobil", "handy", "teléfono móvil", "smartphonem", "fastmail", "hey.com", "superhuman", "thunderbird", "zoho", "mailspring", "edison", "newton", "airmail", "canary"}
	getWords = []string{"get outlook for", "outlook für", "télécharger outlook", "obtenir outlook", "obtener outlook", "scarica outlook", "ottieni outlook", "outlook voor", "obter o outlook", "pobierz outlook", "hämta outlook", "hent outlook", "få outlook", "hanki outlook",
		"získat outlook", "outlook beszerzése", "obțineți outlook", "λήψη του outlook", "outlook'u edinin", "скачать outlook", "завантажити outlook", "获取 outlook", "取得 outlook", "outlook for ios", "outlook를", "yahoo mail: ", "yahoo mail –", "sent via ", "do you yahoo"}
)
