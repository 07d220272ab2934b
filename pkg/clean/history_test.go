package clean

import (
	"strings"
	"testing"
)

// A quoting is how one program in one language introduces what an answer quotes.
type quoting struct{ client, language, line string }

// The lines are as the programs write them, with made-up people.
var quotings = []quoting{
	{"Gmail", "en", "On Mon, Jan 1, 2024 at 10:00 AM Erika Muster <erika@example.org> wrote:"},
	{"Gmail", "de", "Am Mo., 1. Jan. 2024 um 10:00 Uhr schrieb Erika Muster <erika@example.org>:"},
	{"Gmail", "fr", "Le lun. 1 janv. 2024 à 10:00, Erika Muster <erika@example.org> a écrit :"},
	{"Gmail", "es", "El lun, 1 ene 2024 a las 10:00, Erika Muster (<erika@example.org>) escribió:"},
	{"Gmail", "it", "Il giorno lun 1 gen 2024 alle ore 10:00 Erika Muster <erika@example.org> ha scritto:"},
	{"Gmail", "nl", "Op ma 1 jan 2024 om 10:00 schreef Erika Muster <erika@example.org>:"},
	{"Gmail", "pt-BR", "Em seg., 1 de jan. de 2024 às 10:00, Erika Muster <erika@example.org> escreveu:"},
	{"Gmail", "pt-PT", "Erika Muster <erika@example.org> escreveu (segunda, 1/01/2024 à(s) 10:00):"},
	{"Gmail", "pl", "pon., 1 sty 2024 o 10:00 Erika Muster <erika@example.org> napisał(a):"},
	{"Gmail", "sv", "Den mån 1 jan. 2024 kl 10:00 skrev Erika Muster <erika@example.org>:"},
	{"Gmail", "da", "Den man. 1. jan. 2024 kl. 10.00 skrev Erika Muster <erika@example.org>:"},
	{"Gmail", "nb", "man. 1. jan. 2024 kl. 10:00 skrev Erika Muster <erika@example.org>:"},
	{"Gmail", "fi", "ma 1. tammik. 2024 klo 10.00 Erika Muster (erika@example.org) kirjoitti:"},
	{"Gmail", "cs", "po 1. 1. 2024 v 10:00 odesílatel Erika Muster <erika@example.org> napsal:"},
	{"Gmail", "hu", "Erika Muster <erika@example.org> ezt írta (időpont: 2024. jan. 1., H, 10:00):"},
	{"Gmail", "ro", "În lun., 1 ian. 2024 la 10:00, Erika Muster <erika@example.org> a scris:"},
	{"Gmail", "el", "Στις Δευ 1 Ιαν 2024 στις 10:00 π.μ., ο χρήστης Erika Muster <erika@example.org> έγραψε:"},
	{"Gmail", "tr", "Erika Muster <erika@example.org>, 1 Oca 2024 Pzt, 10:00 tarihinde şunu yazdı:"},
	{"Gmail", "ru", "пн, 1 янв. 2024 г. в 10:00, Erika Muster <erika@example.org>:"},
	{"Gmail", "uk", "пн, 1 січ. 2024 р. о 10:00 Erika Muster <erika@example.org> пише:"},
	{"Gmail", "ja", "2024年1月1日(月) 10:00 Erika Muster <erika@example.org>:"},
	{"Gmail", "zh-CN", "Erika Muster <erika@example.org> 于2024年1月1日周一 10:00写道："},
	{"Gmail", "zh-TW", "Erika Muster <erika@example.org> 於 2024年1月1日 週一 上午10:00寫道："},
	{"Gmail", "ko", "2024년 1월 1일 (월) 오전 10:00, Erika Muster <erika@example.org>님이 작성:"},
	{"Apple Mail", "en", "On Jan 1, 2024, at 10:00 AM, Erika Muster <erika@example.org> wrote:"},
	{"Apple Mail", "de", "Am 01.01.2024 um 10:00 schrieb Erika Muster <erika@example.org>:"},
	{"Apple Mail", "fr", "Le 1 janv. 2024 à 10:00, Erika Muster <erika@example.org> a écrit :"},
	{"Apple Mail", "it", "Il giorno 1 gen 2024, alle ore 10:00, Erika Muster <erika@example.org> ha scritto:"},
	{"Apple Mail", "ru", "1 янв. 2024 г., в 10:00, Erika Muster <erika@example.org> написал(а):"},
	{"Apple Mail", "ja", "2024/01/01 10:00、Erika Muster <erika@example.org>のメール:"},
	{"Apple Mail", "zh-CN", "在 2024年1月1日，10:00，Erika Muster <erika@example.org> 写道："},
	{"Apple Mail", "ko", "2024. 1. 1. 10:00, Erika Muster <erika@example.org> 작성:"},
	{"Apple Mail", "sv", "1 jan. 2024 kl. 10:00 skrev Erika Muster <erika@example.org>:"},
	{"Thunderbird", "en", "On 1/1/24 10:00, Erika Muster wrote:"},
	{"Thunderbird", "de", "Am 01.01.24 um 10:00 schrieb Erika Muster:"},
	{"Thunderbird", "fr", "Le 01/01/2024 à 10:00, Erika Muster a écrit :"},
	{"Thunderbird", "es", "El 1/1/24 a las 10:00, Erika Muster escribió:"},
	{"Thunderbird", "it", "Il 01/01/24 10:00, Erika Muster ha scritto:"},
	{"Thunderbird", "nl", "Op 01-01-2024 om 10:00 schreef Erika Muster:"},
	{"Thunderbird", "pt", "Em 01/01/2024 10:00, Erika Muster escreveu:"},
	{"Thunderbird", "pl", "W dniu 1.01.2024 o 10:00, Erika Muster pisze:"},
	{"Thunderbird", "cs", "Dne 01. 01. 24 v 10:00 Erika Muster napsal(a):"},
	{"Thunderbird", "hu", "2024. 01. 01. 10:00 keltezéssel, Erika Muster írta:"},
	{"Thunderbird", "ru", "01.01.2024 10:00, Erika Muster пишет:"},
	{"Thunderbird", "ja", "On 2024/01/01 10:00, Erika Muster wrote:"},
	{"Yahoo", "en", "On Monday, January 1, 2024 at 10:00:00 AM GMT+1, Erika Muster <erika@example.org> wrote:"},
	{"Yahoo", "de", "Am Montag, 1. Januar 2024 um 10:00:00 MEZ hat Erika Muster <erika@example.org> Folgendes geschrieben:"},
	{"Proton", "en", "On Monday, January 1st, 2024 at 10:00, Erika Muster <erika@example.org> wrote:"},
	{"Roundcube", "en", "On 2024-01-01 10:00, Erika Muster wrote:"},
	{"Fastmail", "en", "On Mon, Jan 1, 2024, at 10:00 AM, Erika Muster wrote:"},
	{"mutt", "en", "On Mon, Jan 01, 2024 at 10:00:00AM +0100, Erika Muster wrote:"},
}

func TestQuotedHistoryFoldsForEveryClientAndLanguage(t *testing.T) {
	broken := func(line string) string { // as programs wrap at 76 characters
		if at := strings.LastIndex(line, " <"); at > 0 && !strings.HasSuffix(line, "):") && !strings.HasPrefix(line, "Erika") {
			return line[:at] + "\n" + line[at+1:]
		}
		return line
	}
	for _, q := range quotings {
		for form, text := range map[string]string{
			"with marks":    "Answer.\n\n" + q.line + "\n\n> old words\n> older words\n",
			"without marks": "Answer.\n\n" + q.line + "\n\nold words\nolder words\n",
			"broken":        "Answer.\n\n" + broken(q.line) + "\n> old words\n",
			"marked itself": "Answer.\n\n> " + q.line + "\n> \n> old words\n",
			"masked":        "Answer.\n\n" + strings.Replace(q.line, "erika@example.org", "‹email #1›", 1) + "\n> old words\n",
		} {
			folds := Folds(text)
			if len(folds) != 1 || folds[0].Kind != Quote || folds[0].End != len(text) || strings.TrimSpace(text[:folds[0].Start]) != "Answer." {
				t.Errorf("%s, %s, %s: %v in %q", q.client, q.language, form, folds, text)
			}
		}
	}
}

// headers are the blocks that Outlook, Outlook.com, GMX and web.de write above
// history.
var headers = map[string]string{
	"en": "From: A <a@b.example>\nSent: Monday, January 1, 2024 10:00\nTo: B\nSubject: x", "de": "Von: A <a@b.example>\nGesendet: Montag, 1. Januar 2024 10:00\nAn: B\nBetreff: x",
	"fr": "De : A <a@b.example>\nEnvoyé : lundi 1 janvier 2024 10:00\nÀ : B\nObjet : x", "es": "De: A <a@b.example>\nEnviado el: lunes, 1 de enero de 2024 10:00\nPara: B\nAsunto: x",
	"it": "Da: A <a@b.example>\nInviato: lunedì 1 gennaio 2024 10:00\nA: B\nOggetto: x", "nl": "Van: A <a@b.example>\nVerzonden: maandag 1 januari 2024 10:00\nAan: B\nOnderwerp: x",
	"pt": "De: A <a@b.example>\nEnviada em: segunda-feira, 1 de janeiro de 2024 10:00\nPara: B\nAssunto: x", "pl": "Od: A <a@b.example>\nWysłano: poniedziałek, 1 stycznia 2024 10:00\nDo: B\nTemat: x",
	"sv": "Från: A <a@b.example>\nSkickat: den 1 januari 2024 10:00\nTill: B\nÄmne: x", "da": "Fra: A <a@b.example>\nSendt: 1. januar 2024 10:00\nTil: B\nEmne: x",
	"nb": "Fra: A <a@b.example>\nSendt: mandag 1. januar 2024 10:00\nTil: B\nEmne: x", "fi": "Lähettäjä: A <a@b.example>\nLähetetty: maanantai 1. tammikuuta 2024 10:00\nVastaanottaja: B\nAihe: x",
	"cs": "Od: A <a@b.example>\nOdesláno: pondělí 1. ledna 2024 10:00\nKomu: B\nPředmět: x", "hu": "Feladó: A <a@b.example>\nElküldve: 2024. január 1., hétfő 10:00\nCímzett: B\nTárgy: x",
	"ro": "De la: A <a@b.example>\nTrimis: luni, 1 ianuarie 2024 10:00\nCătre: B\nSubiect: x", "el": "Από: A <a@b.example>\nΣτάλθηκε: Δευτέρα, 1 Ιανουαρίου 2024 10:00\nΠρος: B\nΘέμα: x",
	"tr": "Kimden: A <a@b.example>\nGönderildi: 1 Ocak 2024 Pazartesi 10:00\nKime: B\nKonu: x", "ru": "От: A <a@b.example>\nОтправлено: 1 января 2024 г. 10:00\nКому: B\nТема: x",
	"uk": "Від: A <a@b.example>\nНадіслано: 1 січня 2024 р. 10:00\nКому: B\nТема: x", "ja": "差出人: A <a@b.example>\n送信日時: 2024年1月1日 10:00\n宛先: B\n件名: x",
	"zh-CN": "发件人: A <a@b.example>\n发送时间: 2024年1月1日 10:00\n收件人: B\n主题: x", "zh-TW": "寄件者： A <a@b.example>\n寄件日期： 2024年1月1日 10:00\n收件者： B\n主旨： x",
	"ko":               "보낸 사람: A <a@b.example>\n보낸 날짜: 2024년 1월 1일 월요일 10:00\n받는 사람: B\n제목: x",
	"Outlook, bold":    "*From:* A <a@b.example>\n*Sent:* Monday, January 1, 2024 10:00\n*To:* B\n*Subject:* x",
	"GMX":              "Gesendet: Montag, 01. Januar 2024 um 10:00 Uhr\nVon: A <a@b.example>\nAn: B\nBetreff: x",
	"web.de":           "*Gesendet:* 01.01.2024 um 10:00 Uhr\n*Von:* A <a@b.example>\n*An:* B\n*Betreff:* x",
	"Outlook.com":      "________________________________\nFrom: A <a@b.example>\nSent: Monday, January 1, 2024 10:00\nTo: B\nSubject: x",
	"Outlook Android":  "________________________________\nVon: A <a@b.example>\nGesendet: Montag, 1. Januar 2024\nAn: B\nBetreff: x",
	"Thunderbird":      "-------- Forwarded Message --------\nSubject: x\nDate: Mon, 1 Jan 2024\nFrom: A <a@b.example>\nTo: B",
	"Thunderbird, de":  "-------- Weitergeleitete Nachricht --------\nBetreff: x\nDatum: Mon, 1 Jan 2024\nVon: A <a@b.example>\nAn: B",
	"Gmail, forward":   "---------- Forwarded message ---------\nFrom: A <a@b.example>\nDate: Mon, Jan 1, 2024\nSubject: x\nTo: B",
	"Gmail, unknown":   "---------- Nachricht vo hie ---------\nVon: A <a@b.example>\nDate: Mon, Jan 1, 2024\nSubject: x\nTo: B",
	"Apple, forward":   "Begin forwarded message:\n\nFrom: A <a@b.example>\nSubject: x\nDate: 1 January 2024\nTo: B",
	"Outlook 2003, fr": "-----Message d'origine-----\nDe : A\nEnvoyé : lundi\nÀ : B\nObjet : x",
	"QQ":               "------------------ 原始邮件 ------------------\n发件人: \"A\"<a@b.example>;\n发送时间: 2024年1月1日\n收件人: B\n主题: x",
	"Naver":            "-----Original Message-----\nFrom: \"A\"<a@b.example>\nTo: B\nCc: \nSent: 2024-01-01 (월) 10:00:00 (GMT+09:00)\nSubject: x",
}

func TestHistoryBehindHeaderLinesFolds(t *testing.T) {
	for name, block := range headers {
		text := "Answer.\n\n" + block + "\n\nold words\n"
		folds := Folds(text)
		if len(folds) != 1 || folds[0].Kind != Quote || folds[0].End != len(text) || strings.TrimSpace(text[:folds[0].Start]) != "Answer." {
			t.Errorf("%s: %v in %q", name, folds, text)
		}
	}
}

func TestWhatTelephonesAddFolds(t *testing.T) {
	for _, line := range []string{
		"Sent from my iPhone", "Von meinem iPhone gesendet", "Envoyé de mon iPhone", "Enviado desde mi iPhone", "Inviato da iPhone", "Verstuurd vanaf mijn iPhone", "Enviado do meu iPhone", "Wysłane z iPhone'a",
		"Skickat från min iPhone", "Sendt fra min iPhone", "Lähetetty iPhonesta", "Odesláno z iPhonu", "Elküldve az iPhone-omról", "Trimis de pe iPhone-ul meu", "Στάλθηκε από το iPhone μου", "iPhone'umdan gönderildi",
		"Отправлено с iPhone", "Надіслано з iPhone", "iPhoneから送信", "发自我的iPhone", "從我的 iPhone 傳送", "나의 iPhone에서 보냄", "Get Outlook for iOS<https://aka.ms/o0ukef>", "Get Outlook for Android", "Outlook für iOS beziehen",
		"Télécharger Outlook pour iOS", "Sent from Outlook for Android", "Sent from Yahoo Mail on Android", "Sent with Proton Mail secure email.", "Gesendet mit der GMX iPhone App", "Gesendet mit der WEB.DE Mail App",
		"Diese Nachricht wurde von meinem Android-Gerät mit WEB.DE Mail gesendet.", "Von meinem Samsung Galaxy Smartphone gesendet.", "Sent from Mail for Windows", "Gesendet von Mail für Windows", "Sent via the Samsung Galaxy S23",
		"Enviado desde Correo para Windows", "Отправлено из мобильной Яндекс Почты с Android", "Отправлено из Mail.ru для Android", "Envoyé à partir de Outlook pour Android", "Verzonden vanuit Outlook voor iOS",
	} {
		text := "Answer.\n\n" + line + "\n"
		folds := Folds(text)
		if len(folds) != 1 || folds[0].Kind != Signature || !strings.HasPrefix(text[folds[0].Start:], line) {
			t.Errorf("%q: %v", line, folds)
		}
		text += "\nOn Mon, Jan 1, 2024 at 10:00 AM A <a@b.example> wrote:\n> old\n"
		if folds := Folds(text); len(folds) != 2 || folds[1].Kind != Quote {
			t.Errorf("%q before history: %v", line, folds)
		}
	}
}

func TestTheMailItselfDoesNotFold(t *testing.T) {
	long := strings.Repeat("A line of the mail.\n", 30)
	for _, text := range []string{
		"Hello\n\n--\n" + long, // a rule, no signature
		"The picture was sent from my iPhone yesterday and it shows the box.\nPlease look at it.\n",
		"Sent from my iPhone 12 you will find the pictures below.\n" + long,
		"Date: tomorrow\nPlace: Berlin\nTo be clear: yes\n",
		"From: Berlin\nTo: Munich\nWhen can you deliver?\n",
		"Von: Berlin\nNach: München\n",
		"On 5 May I wrote to you: nothing came.\nPlease answer.\n",
		"At 10:00 he said:\nfine\n",
		"My order 2024-1234:\n1 x shirt\n2 x socks\n",
		"Am 05.05.2024 um 10:00 habe ich bestellt:\n1 Hemd\n",
		"Contact a@b.example at 10:30 on 1.1.2024 for:\n- shirts\n",
		"---------------\nA title\n---------------\ntext\n",
		"> one\nanswer one\n> two\nanswer two\n",
		"-- \nMy fridge is broken since Monday, please help me.\n",
		"> one\n> two\n> three\n> four\n> five\n\n-- \nErika\n", // nothing would stay to be read
	} {
		if folds := Folds(text); len(folds) != 0 {
			t.Errorf("%q: %v", text, folds)
		}
	}
}

func TestManyMarksOfSignaturesEnd(t *testing.T) {
	for _, unit := range []string{"--\n\n\n\n\n\n\n\n", "On 1.1.2024 at 10:00 a@b.example wrote:\n", "From: a\nSent: b\n", "> x\n--\n", "a@b.example 2024\n10:00\n<x>:\n", "__\n", "----------\n", "Sent from my iPhone\n\n"} {
		Folds(strings.Repeat(unit, 1<<20/len(unit)))
	}
}
