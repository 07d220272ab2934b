package signature

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/mail"
)

// support is who the mails of these tests are encrypted to.
var support = sync.OnceValue(func() *openpgp.Entity {
	entity, err := openpgp.NewEntity("Support", "", "support@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	if err != nil {
		panic(err)
	}
	return entity
})

func keysOf(entities ...*openpgp.Entity) Keys { return Keys{pgp: entities} }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// literal is one literal packet (RFC 9580 §5.9).
func literal(content []byte) []byte {
	var out bytes.Buffer
	w := must(packet.SerializeLiteral(nopCloser{&out}, true, "", 0))
	must(w.Write(content))
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// compressed packs packets (RFC 9580 §5.6).
func compressed(packets []byte) []byte {
	var out bytes.Buffer
	w := must(packet.SerializeCompressed(nopCloser{&out}, packet.CompressionZLIB, nil))
	must(w.Write(packets))
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// sealed encrypts packets to each recipient.
func sealed(packets []byte, hidden bool, to ...*openpgp.Entity) []byte {
	var out bytes.Buffer
	session := bytes.Repeat([]byte{7}, 32)
	for _, entity := range to {
		encryption, ok := entity.EncryptionKey(time.Now())
		if !ok {
			panic("no key to encrypt to")
		}
		if err := packet.SerializeEncryptedKeyAEADwithHiddenOption(&out, encryption.PublicKey, packet.CipherAES256, false, session, hidden, nil); err != nil {
			panic(err)
		}
	}
	w := must(packet.SerializeSymmetricallyEncrypted(&out, packet.CipherAES256, false, packet.CipherSuite{}, session, nil))
	must(w.Write(packets))
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// pgpMIME is a mail whose whole content is encrypted (RFC 3156 §4).
func pgpMIME(message []byte) []byte {
	return []byte("From: Anna <anna@example.com>\r\nSubject: sealed\r\nMIME-Version: 1.0\r\n" + encryptedPart("x", message))
}

func encryptedPart(boundary string, message []byte) string {
	return "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=" + boundary + "\r\n\r\n" +
		"--" + boundary + "\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n" +
		"--" + boundary + "\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString(message) + "\r\n--" + boundary + "--\r\n"
}

func opened(t testing.TB, raw []byte, keys Keys, limits OpenLimits) *mail.Message {
	t.Helper()
	msg, pieces := Open(t.Context(), mail.Parse(raw, mail.Limits{}), keys, limits, mail.Limits{})
	var parts, told int
	msg.Walk(func(p *mail.Part) {
		if !isOpaque(p) {
			parts += len(p.Opened)
		}
	})
	for _, piece := range pieces {
		switch {
		case piece.Opened && (len(piece.Key) < 40 || piece.Reason != "" && piece.Reason != WithoutIntegrity), !piece.Opened && (piece.Key != "" || piece.Reason == ""):
			t.Errorf("piece %+v", piece)
		case piece.Opened:
			told++
		}
	}
	if parts != told {
		t.Errorf("%d parts were opened, and %+v told", parts, pieces)
	}
	return msg
}

// unopened gives the codes of what stays closed, in order.
func unopened(msg *mail.Message) (codes []string) {
	msg.Walk(func(p *mail.Part) {
		codes = append(codes, p.Unopened...)
	})
	return codes
}

// texts gives what the text parts say.
func texts(msg *mail.Message) string {
	var all []string
	msg.Walk(func(p *mail.Part) {
		if strings.HasPrefix(p.Type, "text/") {
			text, _ := p.Text()
			all = append(all, strings.TrimSpace(text))
		}
	})
	return strings.Join(all, "|")
}

const entity = "Content-Type: text/plain; charset=utf-8\r\n\r\nthe secret words\r\n"

func TestAnEncryptedMailIsOpenedAndTheOriginalStays(t *testing.T) {
	raw := pgpMIME(sealed(compressed(literal([]byte(entity))), false, support()))
	before := mail.Parse(raw, mail.Limits{})
	after, _ := Open(t.Context(), before, keysOf(support()), OpenLimits{}, mail.Limits{})
	if texts(after) != "the secret words" || len(unopened(after)) != 0 {
		t.Errorf("%q %v", texts(after), unopened(after))
	}
	if texts(before) != "" {
		t.Errorf("the message that was given says %q now", texts(before))
	}
	var paths []string
	after.Walk(func(p *mail.Part) { paths = append(paths, p.Path+" "+p.Type) })
	if got, want := strings.Join(paths, ","), " multipart/encrypted,1 application/pgp-encrypted,2 application/octet-stream,2.1 text/plain"; got != want {
		t.Errorf("parts %s", got)
	}
}

func TestWhoHasNoKeyOpensNothing(t *testing.T) {
	other := must(openpgp.NewEntity("Other", "", "other@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}))
	raw := pgpMIME(sealed(literal([]byte(entity)), false, support()))
	hidden := pgpMIME(sealed(literal([]byte(entity)), true, support()))
	for name, c := range map[string]struct {
		raw  []byte
		keys Keys
		want string
	}{
		"nothing":                      {raw, Keys{}, "[encrypted_message]"},
		"another key":                  {raw, keysOf(other), "[encrypted_message]"},
		"another key, nobody named":    {hidden, keysOf(other), "[encrypted_message]"},
		"the key among others, hidden": {hidden, keysOf(other, support()), "[]"},
	} {
		got := opened(t, c.raw, c.keys, OpenLimits{})
		if fmt.Sprint(unopened(got)) != c.want || (texts(got) != "") != strings.Contains(name, "the key") {
			t.Errorf("%s: %v, %q", name, unopened(got), texts(got))
		}
	}
}

func TestAKeyUnderAPassphraseOpensNothing(t *testing.T) {
	locked := must(openpgp.NewEntity("Locked", "", "locked@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}))
	raw := pgpMIME(sealed(literal([]byte(entity)), false, locked))
	if err := locked.EncryptPrivateKeys([]byte("secret"), nil); err != nil {
		t.Fatal(err)
	}
	var ring bytes.Buffer
	if err := locked.SerializePrivateWithoutSigning(&ring, nil); err != nil {
		t.Fatal(err)
	}
	var keys Keys
	if err := keys.AddOpenPGP(ring.Bytes()); err != nil {
		t.Fatal(err)
	}
	if got := opened(t, raw, keys, OpenLimits{}); texts(got) != "" || keys.Locked() != 1 {
		t.Errorf("%q, %d locked", texts(got), keys.Locked())
	}
	for phrase, opens := range map[string]bool{"another": false, "secret\n": true} {
		var keys Keys
		if err := errors.Join(keys.AddPassphrase([]byte("wrong")), keys.AddPassphrase([]byte(phrase)), keys.AddPrivateOpenPGP(ring.Bytes())); err != nil {
			t.Fatal(err)
		}
		if err := keys.Settle(); (err == nil) != opens {
			t.Errorf("%q: %v", phrase, err)
		}
		if got := opened(t, raw, keys, OpenLimits{}); (texts(got) != "") != opens {
			t.Errorf("%q: %q", phrase, texts(got))
		}
	}
	var public bytes.Buffer
	if err := locked.Serialize(&public); err != nil {
		t.Fatal(err)
	}
	if err := keys.AddPrivateOpenPGP(public.Bytes()); err == nil {
		t.Error("a public key is taken for a private one")
	}
}

// Whatever byte is changed: the whole comes out as it was put in, or nothing does.
func TestNothingOfAChangedMessageGetsOut(t *testing.T) {
	message := sealed(compressed(literal([]byte(entity))), false, support())
	said := 0
	for i := range message {
		for _, bit := range []byte{1, 0x80} {
			changed := bytes.Clone(message)
			changed[i] ^= bit
			got := opened(t, pgpMIME(changed), keysOf(support()), OpenLimits{})
			switch texts(got) {
			case "":
			case "the secret words":
				said++
			default:
				t.Fatalf("byte %d: %q", i, texts(got))
			}
			if i > 120 && texts(got) != "" { // behind the wrapped key all is covered
				t.Errorf("byte %d of %d changed, and it was opened", i, len(message))
			}
		}
		if got := opened(t, pgpMIME(message[:i]), keysOf(support()), OpenLimits{}); texts(got) != "" {
			t.Errorf("cut to %d bytes, it was opened", i)
		}
	}
	if said > 8 {
		t.Errorf("%d changes went unseen", said)
	}
	if got := opened(t, pgpMIME(append(bytes.Clone(message), message...)), keysOf(support()), OpenLimits{}); texts(got) != "" || fmt.Sprint(unopened(got)) != "[encrypted_message_damaged]" {
		t.Errorf("a second message behind the first: %q %v", texts(got), unopened(got))
	}
}

// What one reader opens must be all that stands there, or another opens something else.
func TestOneOfTwoMessagesInAPartIsNotOpened(t *testing.T) {
	block := armored(sealed(literal([]byte(entity)), false, support()))
	inBinary := append(bytes.Clone(sealed(literal([]byte(entity)), false, must(openpgp.NewEntity("Other", "", "other@example.org", nil)))), "\n"+block...)
	for name, content := range map[string]string{"two blocks": block + block, "text before": "text\n" + block, "text behind": block + "text\n", "a block in binary": string(inBinary)} {
		if got := opened(t, pgpMIME([]byte(content)), keysOf(support()), OpenLimits{}); texts(got) != "" {
			t.Errorf("%s: %q", name, texts(got))
		}
	}
	if got := opened(t, pgpMIME([]byte("\n"+block+"\n")), keysOf(support()), OpenLimits{}); texts(got) != "the secret words" {
		t.Errorf("one block: %q %v", texts(got), unopened(got))
	}
}

func TestEveryReasonWhyAPartStaysClosedIsSaid(t *testing.T) {
	other := must(openpgp.NewEntity("Other", "", "other@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}))
	foreign, ours := armored(sealed(literal([]byte("words")), false, other)), armored(sealed(literal([]byte("words")), false, support()))
	raw := []byte("From: a@example.com\n\n" + foreign + ours + foreign + ours)
	if got := opened(t, raw, keysOf(support()), OpenLimits{Pieces: 3}); fmt.Sprint(unopened(got)) != "[encrypted_message members_limit]" || strings.Count(texts(got), "|words") != 1 {
		t.Errorf("%v %q", unopened(got), texts(got))
	}
}

func TestTwoLiteralsAreNoMessage(t *testing.T) {
	two := append(literal([]byte(entity)), literal([]byte(entity))...)
	for name, packets := range map[string][]byte{"two": two, "none": nil, "two packed": compressed(two), "a key": func() []byte {
		var out bytes.Buffer
		_ = support().PrimaryKey.Serialize(&out)
		return append(out.Bytes(), literal([]byte(entity))...)
	}()} {
		if got := opened(t, pgpMIME(sealed(packets, false, support())), keysOf(support()), OpenLimits{}); texts(got) != "" || fmt.Sprint(unopened(got)) != "[encrypted_message_damaged]" {
			t.Errorf("%s: %q %v", name, texts(got), unopened(got))
		}
	}
}

func armored(message []byte) string {
	text := "-----BEGIN PGP MESSAGE-----\n\n"
	for encoded := base64.StdEncoding.EncodeToString(message); encoded != ""; {
		n := min(len(encoded), 76) // RFC 9580 §6.2
		text, encoded = text+encoded[:n]+"\n", encoded[n:]
	}
	return text + "-----END PGP MESSAGE-----\n"
}

func TestBlocksInTextAreOpenedWhereTheyStand(t *testing.T) {
	block := armored(sealed(literal([]byte("grüße")), false, support()))
	raw := []byte("From: a@example.com\nContent-Type: text/plain; charset=utf-8\n\nbefore\n" + block + "between\n" + block + "after\n")
	got := opened(t, raw, keysOf(support()), OpenLimits{Pieces: 2})
	if texts(got) != "before\n\nbetween\n\nafter|grüße|grüße" {
		t.Errorf("%q", texts(got))
	}
	var paths []string
	got.Walk(func(p *mail.Part) { paths = append(paths, p.Path) })
	if strings.Join(paths, " ") != "1 1.1 1.2" {
		t.Errorf("paths %v", paths)
	}
	if got := opened(t, raw, keysOf(support()), OpenLimits{Pieces: 1}); fmt.Sprint(unopened(got)) != "[members_limit]" || strings.Count(texts(got), "grüße") != 1 {
		t.Errorf("one piece past the limit: %q %v", texts(got), unopened(got))
	}
	quoted := []byte("From: a@example.com\n\n> -----BEGIN PGP MESSAGE-----\n")
	if got := opened(t, quoted, keysOf(support()), OpenLimits{}); len(unopened(got)) != 0 {
		t.Errorf("the words alone: %v", unopened(got))
	}
}

func TestAnEncryptedFileIsAFile(t *testing.T) {
	message := sealed(literal([]byte("%PDF-1.4 words")), false, support())
	for name, want := range map[string]string{"bill.pdf.pgp": "bill.pdf", "bill.pdf.GPG": "bill.pdf", "bill.pdf": ""} {
		raw := []byte("From: a@example.com\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=" + name +
			"\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(message) + "\n")
		got := ""
		opened(t, raw, keysOf(support()), OpenLimits{}).Walk(func(p *mail.Part) {
			if p.Path == "1.1" && p.Disposition == "attachment" && string(p.Content) == "%PDF-1.4 words" {
				got = p.Filename
			}
		})
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestSignaturesWithinAreChecked(t *testing.T) {
	anna := must(openpgp.NewEntity("Anna", "", "anna@example.com", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, DefaultHash: crypto.SHA256}))
	combined := func(content []byte) []byte {
		var out bytes.Buffer
		w := must(openpgp.Encrypt(&out, []*openpgp.Entity{support()}, anna, nil, &packet.Config{DefaultHash: crypto.SHA256}))
		must(w.Write(content))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	inText := func(text string) []byte {
		return []byte("From: Anna <anna@example.com>\n\n" + text)
	}
	whole := pgpMIME(combined([]byte(entity)))
	for name, c := range map[string]struct {
		raw  []byte
		keys Keys
		want string
	}{
		"all":                      {whole, keysOf(support(), anna), "good whole true"},
		"of nobody known":          {whole, keysOf(support()), "unknown_key whole false"},
		"of nobody who could open": {whole, keysOf(anna), ""},
		"a text":                   {inText(armored(combined([]byte("words")))), keysOf(support(), anna), "good whole true"},
		"a text among others":      {inText("pay to X\n" + armored(combined([]byte("words")))), keysOf(support(), anna), "good part true"},
		"a part": {[]byte("From: Anna <anna@example.com>\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\npay to X\n--m\n" + strings.ReplaceAll(encryptedPart("x", combined([]byte(entity))), "\r\n", "\n") + "--m--\n"),
			keysOf(support(), anna), "good part true"},
	} {
		got := ""
		for _, r := range Check(opened(t, c.raw, c.keys, OpenLimits{}), c.keys, time.Now()) {
			got += fmt.Sprintf("%s %s %v", r.Result, r.Covers, r.MatchesFrom)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestWhatStaysClosedIsNeverClean(t *testing.T) {
	for code, want := range map[string]attachment.Verdict{
		StaysClosed: attachment.Encrypted, Damaged: attachment.Encrypted, NoIntegrity: attachment.Encrypted, UnknownMeans: attachment.Encrypted,
		TooManyPieces: attachment.Limit, TooManyLayers: attachment.Limit, TooManyBytes: attachment.Limit, TooMuchTime: attachment.Limit,
		"total_size_limit": attachment.Limit, // said by pkg/mail
	} {
		reason := attachment.Reason(code)
		if _, known := attachment.Reasons[reason]; !known || reason.Verdict() != want {
			t.Errorf("%s: %s", code, reason.Verdict())
		}
	}
}

func TestKeysAreNeverPrinted(t *testing.T) {
	keys := keysOf(support())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, keys) + fmt.Sprintf(verb, struct{ Keys Keys }{keys}); strings.Count(got, "‹keys›") != 2 || len(got) > 100 {
			t.Errorf("%s: %s", verb, got)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(pgpMIME(sealed(compressed(literal([]byte(entity))), false, support())))
	f.Add([]byte("From: a@example.com\n\n" + armored(sealed(literal([]byte("words")), true, support()))))
	f.Add(sealed(literal([]byte(entity)), false, support()))
	f.Add(compressed(literal([]byte(entity))))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys := keysOf(support())
		limits := OpenLimits{Bytes: 1 << 20}
		for _, raw := range [][]byte{data, pgpMIME(data), pgpMIME(sealed(data, false, support()))} {
			msg := opened(t, raw, keys, limits)
			msg.Walk(func(p *mail.Part) {
				if len(p.Opened) > 0 && len(p.Opened[0].Raw) > len(raw)+1<<20 {
					t.Errorf("%d bytes out of %d", len(p.Opened[0].Raw), len(raw))
				}
			})
			Check(msg, keys, time.Now())
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	raw := pgpMIME(sealed(compressed(literal([]byte(entity+strings.Repeat("words and words\r\n", 1000)))), false, support()))
	msg := mail.Parse(raw, mail.Limits{})
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		Open(b.Context(), msg, keysOf(support()), OpenLimits{}, mail.Limits{})
	}
}
