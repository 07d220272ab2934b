package clean

import (
	"reflect"
	"strings"
	"testing"

	"github.com/microcosm-cc/bluemonday"
)

func TestTextReadsAsAPersonWouldTypeIt(t *testing.T) {
	for input, want := range map[string]string{
		`<p>Dear  <b>you</b>,<br>how are <i>you</i>?</p><p>Me</p>`:      "Dear you,\nhow are you?\n\nMe",
		`<ul><li>a<li>b<ol><li>c<li>d</ol></ul>e`:                       "- a\n- b\n  1. c\n  2. d\n\ne",
		`<blockquote>old<blockquote>older</blockquote></blockquote>new`: "> old\n\n> > older\n\nnew",
		`<table><tr><td>1<td>2<tr><td>3<td>4</table>`:                   "1  2\n3  4",
		`<pre>a
  b</pre>c`: "a\n  b\n\nc",
		`see <a href="https://example.org/a">this</a>`:                                "see this <https://example.org/a>",
		`see <a href="https://example.org/">example.org</a>`:                          "see example.org",
		`see <a href="https://example.org/` + strings.Repeat("x", 100) + `">this</a>`: "see this <example.org/…>",
		`see <a href="javascript:x">this</a>`:                                         "see this",
		`<a href="mailto:a@b.example">write</a>`:                                      "write <a@b.example>",
		`<style>p{}</style><script>x</script><title>t</title>a`:                       "a",
		`<img alt="A logo" src=x>`:                                                    "[A logo]",
		`a<hr>b`:                                                                      "a\n\n---\n\nb",
		`<div style="display:none">hidden</div>seen`:                                  "hidden\nseen",
		"a\u200b\u00ad\u034fb &zwnj; c":                                               "ab c",
		"<p>\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645":                         "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
		``: "",
	} {
		if got := Text(input); got != want {
			t.Errorf("%q became %q, want %q", input, got, want)
		}
	}
}

func TestOneReadingGivesWhatTwoGive(t *testing.T) {
	compare := func(name, input string) {
		result, text := Document(input, Options{})
		if want := HTML(input, Options{}); !reflect.DeepEqual(result, want) {
			t.Errorf("%s: %+v, want %+v", name, result, want)
		}
		if want := Text(input); text != want {
			t.Errorf("%s: %q, want %q", name, text, want)
		}
	}
	for _, input := range oddTokens {
		compare(input, input)
	}
	for name, unit := range nastyShapes {
		compare(name, strings.Repeat(unit, 20))
	}
	eachDocument(t, compare)
}

func TestTheTextIsOfWhatIsRead(t *testing.T) {
	for size, truncated := range map[int]bool{9: true, 10: false} {
		result, text := Document("<p>123456\u00e9", Options{MaxInput: size + 1})
		if want := "123456\u00e9"[:6+2*(size-9)]; text != want || result.Truncated != truncated || result.HTML != "<p>"+want+"</p>" {
			t.Errorf("%d bytes: %q, %+v", size+1, text, result)
		}
	}
}

func TestNoWordThatOpensALineIsTooLong(t *testing.T) {
	for _, list := range [][]string{onWords, separators, begins} {
		for _, word := range list {
			if len(word) > maxOpening || word != strings.ToLower(word) {
				t.Errorf("%q is never found", word)
			}
			if !opensWith(word+" x", list) || !opensWith(strings.ToUpper(word)+" x", list) {
				t.Errorf("%q is not found", word)
			}
		}
	}
}

// The examples follow RFC 3676 §4 and §5.
func TestFlowedLinesAreJoined(t *testing.T) {
	for _, test := range []struct {
		name, input, want string
		flow              Flow
	}{
		{"not flowed", "a \nb", "a \nb", Flow{}},
		{"flowed", "a \nb\nc", "a b\nc", Flow{Flowed: true}},
		{"delsp", "a \nb", "ab", Flow{Flowed: true, DelSp: true}},
		{"quoted", "> a \n> b\n>> c", "> a b\n>> c", Flow{Flowed: true}},
		{"a change of depth ends a paragraph", "> a \nb", "> a \nb", Flow{Flowed: true}},
		{"space-stuffed", " From x\n >y", "From x\n>y", Flow{Flowed: true}},
		{"signature", "a \n-- \nme", "a \n-- \nme", Flow{Flowed: true}},
		{"line ends", "a\r\nb\rc", "a\nb\nc", Flow{}},
		{"controls", "a\x07b\u202ec", "abc", Flow{}},
	} {
		if got := Plain(test.input, test.flow); got != test.want {
			t.Errorf("%s: %q became %q, want %q", test.name, test.input, got, test.want)
		}
	}
}

func TestFoldsFindHistoryAndSignaturesOfTheCommonPrograms(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		fold string // how the first fold begins
		kind FoldKind
	}{
		"Gmail":                {"Hi\n\nOn Mon, Jan 1, 2024 at 10:00 AM A <a@b.c> wrote:\n\n> x\n", "On Mon", Quote},
		"Gmail, two lines":     {"Hi\n\nOn Mon, Jan 1, 2024 at 10:00 AM A\n<a@b.c> wrote:\n> x\n", "On Mon", Quote},
		"Thunderbird, German":  {"Hallo\n\nAm 01.01.24 um 10:00 schrieb A:\n> x\n", "Am 01", Quote},
		"Apple, French":        {"Bonjour\n\nLe 1 janv. 2024 à 10:00, A <a@b.c> a écrit :\n\n> x\n", "Le 1", Quote},
		"Spanish":              {"Hola\n\nEl lun, 1 ene 2024 a las 10:00, A (<a@b.c>) escribió:\n> x\n", "El lun", Quote},
		"Japanese":             {"はい\n\n2024年1月1日(月) 10:00 A <a@b.c> さんは書きました:\n> x\n", "2024", Quote},
		"no marks":             {"Hi\n\nOn 1 Jan 2024, at 10:00, A <a@b.c> wrote:\n\nold text\n", "On 1", Quote},
		"Outlook":              {"Hi\n\n-----Original Message-----\nFrom: a\n", "-----Orig", Quote},
		"Outlook, German":      {"Hallo\n\n-----Ursprüngliche Nachricht-----\nVon: a\n", "-----Urs", Quote},
		"Outlook, headers":     {"Hi\n\nFrom: A <a@b.c>\nSent: Monday\nTo: B\nSubject: x\n\nold\n", "From: A", Quote},
		"Outlook, headers, de": {"Hallo\n\nVon: A <a@b.c>\nGesendet: Montag\nAn: B\nBetreff: x\n\nalt\n", "Von: A", Quote},
		"signature":            {"Hi\n\n-- \nMe\nCompany\n", "-- ", Signature},
		"telephone":            {"Hi\n\nSent from my iPhone\n", "Sent from", Signature},
		"telephone, German":    {"Hi\n\nVon meinem iPhone gesendet\n", "Von meinem", Signature},
	} {
		folds := Folds(test.text)
		if len(folds) == 0 || folds[0].Kind != test.kind || !strings.HasPrefix(test.text[folds[0].Start:], test.fold) || folds[0].End != len(test.text) {
			t.Errorf("%s: %v", name, folds)
		}
	}
}

func TestWhatAnAnswerRefersToIsNotFolded(t *testing.T) {
	for _, text := range []string{
		"> can you come?\nYes.\n> when?\nAt noon.\n",
		"I said: fine.\nFrom: the beginning\n",
		"On Monday I wrote:\nnothing\n",
		"plain text\n\n---\n\nmore",
		"",
	} {
		if folds := Folds(text); len(folds) != 0 {
			t.Errorf("%q: %v", text, folds)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("<p>a<b>c", "> a \n>> b\n-- \nOn x wrote:\n> y")
	f.Fuzz(func(t *testing.T, document, plain string) {
		Text(document)
		text := Plain(plain, Flow{Flowed: true})
		at := 0
		for _, fold := range Folds(text) {
			if fold.Start < at || fold.End <= fold.Start || fold.End > len(text) {
				t.Fatalf("fold %+v of %d bytes after %d", fold, len(text), at)
			}
			at = fold.End
		}
	})
}

// BenchmarkHTML cleans the published pairs as one document.
func BenchmarkHTML(b *testing.B) {
	document := benchmarkDocument(b)
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		HTML(document, Options{})
	}
}

// BenchmarkBluemonday is the yardstick: a library that keeps less in order.
func BenchmarkBluemonday(b *testing.B) {
	document := benchmarkDocument(b)
	policy := bluemonday.UGCPolicy()
	policy.AllowStyling()
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		policy.Sanitize(document)
	}
}

func BenchmarkText(b *testing.B) {
	document := benchmarkDocument(b)
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		Text(document)
	}
}

// benchmarkDocument is a newsletter of some 40 KB: nested tables with styles,
// links and images.
func benchmarkDocument(b *testing.B) string {
	b.Helper()
	row := `<table width="600" cellpadding="0" cellspacing="0" border="0" style="margin:0 auto;font-family:Arial,sans-serif;background-color:#ffffff"><tr>` +
		`<td style="padding:10px 20px;color:#333333;font-size:14px;line-height:20px" align="left"><p style="margin:0">Dear customer, this week we have <b>new</b> offers for you &amp; your family.</p>` +
		`<a href="https://click.example.com/track?u=123&amp;id=456" style="color:#0066cc;text-decoration:none">See the offers</a>` +
		`<img src="https://images.example.com/p.jpg" width="560" alt="An offer"></td></tr></table>` + "\n"
	return strings.Repeat(row, 80)
}
