package mail_test

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"

	"github.com/postern-mail/postern/pkg/mail"
)

var letters = []struct {
	name  string
	enc   encoding.Encoding
	texts []string
}{
	{"gb18030", simplifiedchinese.GB18030, []string{
		"请问我的订单什么时候发货?谢谢您的帮助,期待回复。",
		"请问我的订单什么时候发货?谢谢您的帮助,期待回复。我上周下了订单,但是到现在还没有收到任何消息。",
		"你好", "订单号码 4711,还没有收到货。", "我要退款,这个产品质量很差。", "Order 4711: 请尽快发货",
		"尊敬的客户服务:附件是发票,请查收。", "手机屏幕坏了,怎么修理?",
	}},
	{"big5", traditionalchinese.Big5, []string{
		"請問我的訂單什麼時候發貨?謝謝您的幫助,期待回覆。", "訂單號碼 4711,還沒有收到貨。",
		"我要退款,這個產品品質很差。", "尊敬的客戶服務:附件是發票,請查收。", "手機螢幕壞了,怎麼修理?",
	}},
	{"euc-jp", japanese.EUCJP, []string{
		"お世話になっております。先日注文した商品がまだ届いておりません。", "こんにちは", "ありがとうございます", "注文番号4711の商品が届きません。",
		"返金をお願いします。", "カスタマーサポート御中", "請求書を添付しました。ご確認ください。",
	}},
	{"shift_jis", japanese.ShiftJIS, []string{
		"お問い合わせ番号の件について、返金をお願いします。", "お世話になっております。先日注文した商品がまだ届いておりません。", "こんにちは",
		"ありがとうございます", "注文番号4711の商品が届きません。", "カスタマーサポート御中", "請求書を添付しました。ご確認ください。", "え・問い合わせ番号の件について、返金をお願いします。",
	}},
	{"euc-kr", korean.EUCKR, []string{
		"안녕하세요, 주문한 상품이 아직 도착하지 않았습니다.", "안녕", "감사합니다", "환불을 요청합니다. 제품의 품질이 나쁩니다.", "주문번호 4711 확인 부탁드립니다.",
	}},
	{"koi8-r", charmap.KOI8R, []string{"Здравствуйте, где мой заказ? Я жду уже две недели.", "Привет мир", "Верните деньги, пожалуйста. С уважением, Иван"}},
	{"windows-1251", charmap.Windows1251, []string{"Здравствуйте, где мой заказ? Я жду уже две недели.", "Привет мир", "Верните деньги, пожалуйста. С уважением, Иван"}},
	{"windows-1252", charmap.Windows1252, []string{"Grüße aus München", "Où est ma commande ? Je l’ai passée à Orléans il y a déjà trois semaines.", "¿Dónde está mi pedido? Lo pedí en España el año pasado.", "5 € für die Größe 42", "Smörgåsbord på översta hyllan"}},
}

func read(charset, body string) (string, int, *mail.Message) {
	m := mail.Parse([]byte("From: a@example.com\r\nContent-Type: text/plain; charset=\""+charset+"\"\r\n\r\n"+body), mail.Limits{})
	text, n := m.Root.Text()
	return text, n, m
}

func TestATextThatIsNotTheUTF8ItDeclaresIsReadByTheCharsetItIsIn(t *testing.T) {
	for _, l := range letters {
		for _, want := range l.texts {
			body, err := l.enc.NewEncoder().String(want)
			if err != nil {
				t.Errorf("%s %s: %v", l.name, want, err)
				continue
			}
			for _, declared := range []string{"utf-8", "", "us-ascii"} {
				if got, n, _ := read(declared, body); got != want || n == 0 {
					t.Errorf("%s as %q: %s read as %s, %d issues", l.name, declared, want, got, n)
				}
			}
		}
	}
}

func TestUTF8WithAFewBrokenBytesStaysUTF8(t *testing.T) {
	texts := []string{"Ελληνικά, πού είναι η παραγγελία μου;", "שלום, איפה ההזמנה שלי?", "مرحبا أين طلبي", "สวัสดีครับ ของยังไม่มา", "Zażółć gęślą jaźń", "ü ä ö ß"}
	for _, l := range letters {
		texts = append(texts, l.texts...)
	}
	for _, text := range texts {
		for i, r := range text {
			if r < 0x80 || len([]rune(text)) < 5 {
				continue
			}
			for _, body := range []string{text[:i] + text[i+1:], text[:i+1] + text[i+2:], text[:i] + "\xff" + text[i+1:], text[:i+1] + "?" + text[i+2:], text[:i] + "\x80" + text[i:], text[:i+1]} {
				if high(body) < 8 || strings.ToValidUTF8(body, "") == body {
					continue
				}
				if got, n, _ := read("utf-8", body); got != strings.ToValidUTF8(body, "\uFFFD") || n == 0 {
					t.Errorf("%q read as %s, %d issues", body, got, n)
				}
			}
		}
	}
}

func high(s string) (n int) {
	for i := range len(s) {
		if s[i] >= 0x80 {
			n++
		}
	}
	return n
}

func TestUTF8UnderAWesternNameIsReadAsUTF8AndCounted(t *testing.T) {
	for _, charset := range []string{"iso-8859-1", "windows-1252", "ISO-8859-15", "latin1", "cp1252", "us-ascii"} {
		for _, want := range []string{
			"ü", "Grüße aus München – für 5 €, Größe 42", "Où est ma commande ? Déjà", "Zażółć gęślą jaźń", "Здравствуйте", "Ελληνικά",
			"5 €", "don’t", "请问我的订单", "ok 👍",
		} {
			got, n, m := read(charset, want)
			if got != want || n != 1 || m.CharsetIssues != 1 || !hasDefect(m, "charset_mismatch") {
				t.Errorf("%s: %s read as %s, %d and %d issues, %v", charset, want, got, n, m.CharsetIssues, m.Defects)
			}
		}
	}
}

func TestAWesternTextThatIsNoUTF8KeepsItsCharset(t *testing.T) {
	for _, l := range letters {
		if l.name != "windows-1252" {
			continue
		}
		for _, want := range append(l.texts, "CAFÉ™", "GROß…", "CAFÉ… and ß") {
			body, err := l.enc.NewEncoder().String(want)
			if err != nil {
				t.Fatal(err)
			}
			for _, charset := range []string{"iso-8859-1", "windows-1252"} {
				if got, n, _ := read(charset, body); got != want || n != 0 {
					t.Errorf("%s: %s read as %s, %d issues", charset, want, got, n)
				}
			}
		}
	}
}

func TestUTF8UnderAWesternNameLosesItsMark(t *testing.T) {
	if got, n, _ := read("windows-1252", "\xef\xbb\xbfhello"); got != "hello" || n != 1 {
		t.Errorf("%q, %d issues", got, n)
	}
}
