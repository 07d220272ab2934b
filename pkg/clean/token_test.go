package clean

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mail"
	"golang.org/x/net/html"
)

// tokensOf tells what our tokenizer reads: texts, tags, and of start tags the
// attributes that have a number and the number of event handlers.
func tokensOf(input string) (told []string) {
	z := newTokenizer(input)
	for {
		switch z.next() {
		case noToken:
			return told
		case textToken:
			told = append(told, "text "+z.words())
		case startTag:
			if z.tag.name == "noscript" {
				z.nextIsNotRaw()
			}
			line := fmt.Sprintf("start %s, %d handlers", z.tag.name, z.attributes.handlers)
			for number, name := range attrNames {
				if z.attributes.has(number) {
					line += fmt.Sprintf(" %s=%q", name, z.attributes.value(number))
				}
			}
			told = append(told, line)
		case endTag:
			told = append(told, "end "+z.tag.name)
		}
	}
}

// tokensByTheReference tells the same of what golang.org/x/net/html reads.
func tokensByTheReference(input string) (told []string) {
	known := func(name []byte) string {
		if tags[string(name)] == nil {
			return ""
		}
		return string(name)
	}
	z := html.NewTokenizer(strings.NewReader(input))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return told
		case html.TextToken:
			told = append(told, "text "+string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			tagName := known(name)
			if tagName == "noscript" {
				z.NextIsNotRawText()
			}
			handlers, values := 0, map[string]string{}
			for more {
				var key, value []byte
				key, value, more = z.TagAttr()
				if len(key) > 2 && key[0] == 'o' && key[1] == 'n' {
					handlers++
				} else if _, ok := attrNumber[string(key)]; ok {
					values[string(key)] = string(value)
				}
			}
			line := fmt.Sprintf("start %s, %d handlers", tagName, handlers)
			for _, name := range attrNames {
				if value, ok := values[name]; ok {
					line += fmt.Sprintf(" %s=%q", name, value)
				}
			}
			told = append(told, line)
		case html.EndTagToken:
			name, _ := z.TagName()
			told = append(told, "end "+known(name))
		}
	}
}

func compareTokens(t testing.TB, name, input string) {
	t.Helper()
	ours, theirs := tokensOf(input), tokensByTheReference(input)
	for i := range max(len(ours), len(theirs)) {
		a, b := "nothing", "nothing"
		if i < len(ours) {
			a = ours[i]
		}
		if i < len(theirs) {
			b = theirs[i]
		}
		if a != b {
			t.Fatalf("%s: token %d is\n%q, by the reference\n%q", name, i, a, b)
		}
	}
}

func TestTokensAreThoseOfTheReference(t *testing.T) {
	for _, input := range oddTokens {
		compareTokens(t, input, input)
	}
	for name, unit := range nastyShapes {
		compareTokens(t, name, strings.Repeat(unit, 20))
	}
}

func TestTokensOfTheCorporaAreThoseOfTheReference(t *testing.T) {
	for i, pair := range publishedPairs(t) {
		compareTokens(t, fmt.Sprintf("pair %d", i), pair.In)
	}
	var attacks []struct{ ID, Payload string }
	corpus(t, "html/dompurify-expect.json", &attacks)
	for _, attack := range attacks {
		compareTokens(t, attack.ID, attack.Payload)
	}
	documents := 0
	eachDocument(t, func(name, document string) {
		documents++
		compareTokens(t, name, document)
	})
	if documents < 200 {
		t.Errorf("only %d documents", documents)
	}
}

// eachDocument calls visit with every text part of the corpora's mails, and with
// every mail as it stands: as HTML that is rubbish, and good to have.
func eachDocument(t testing.TB, visit func(name, document string)) {
	t.Helper()
	files := corpora.Open(t)
	for _, folder := range []string{"real", "mime"} {
		err := fs.WalkDir(files, folder, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			raw, err := fs.ReadFile(files, name)
			if err != nil {
				return err
			}
			visit(name, string(raw))
			parts := []*mail.Part{mail.Parse(raw, mail.Limits{}).Root}
			for len(parts) > 0 {
				p := parts[0]
				parts = append(parts[1:], p.Children...)
				if text, _ := p.Text(); text != "" && p.Message == nil {
					visit(name+" "+p.Path, text)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// oddTokens are what authors of browsers, and of attacks on them, think of.
var oddTokens = []string{
	``, `<`, `</`, `<!`, `<?`, `a<`, `a</`, `a<1b`, `a</1b>c`, `a</>b`, `<a`, `<a `, `<a b`, `<a b=`, `<a b="`, `<p></p`,
	`<!>a`, `<!->a`, `<!-->a`, `<!--->a`, `<!---->a`, `<!--->-->a`, `<!--a--!>b`, `<!--a--!->b-->c`, `<!--a--!-!>b`, `<!--!>a-->b`, `<!--a`,
	`<!doctype html>a`, `<!DOC`, `<![CDATA[a]]>b`, `<?php a ?>b`,
	`<a/b/c=d/>e`, `<a =b=c>d`, `<a b = c>d`, `<a b = 'c"d' e=f/>g`, `<a b=>c`, `<a b=c"d'e>f`, `<a b='c'd="e">f`, `<a b b=c B=d>e`,
	"<p title=a\x00b \x00=c on\x00=d>e\x00f", "<A\x00B>c", "<p\r\ntitle\r=\n'a\r\nb\rc'>d\r\re\r",
	`<p onclick=a ONCLICK=b onload onx on>c`,
	`<title>a<b>&amp;</title>b`, `<textarea>a</textare></textarea>b`, `<style>&amp;</style >a`, `<xmp>a</xmp/b>c`, `<xmp></xmp>`, `<iframe/>a</iframe>`,
	`<plaintext>a</plaintext>&amp;`, `<plaintext>`, `<noscript><p title="</noscript>">`, "<title>a\x00b</title>c\x00", `<TITLE>a</tItLe>b`, `<title>a</title`,
	`<script>a</script>b`, `<script><!--a</script>b`, `<script><!--<script>a</script>b</script>c`, `<script><!--<script>a-->b</script>c`,
	`<script><!--<script></script><script></script></script>a`, `<script><!-- < <script>a</script>b</script>`, `<script><!-</script>a`,
	`<script><!--><script>a</script>b`, `<script><!--<scriptx>a</script>b`, `<script><!--<script/>--></script>a`, `<script><!--</scrip</script>a`, `<script><!--<script></script -->a</script>b`,
	`&amp;&amp&ampx;&notit;&notin;&nosuch;&;&#;&#x;&#65&#65;&#x41;&#X41g&#0;&#128;&#xD800;&#x110000;&#99999999999;&bne;&fjlig;&semi;`,
	`<p title="&amp;&amp&ampx;&notit;&notin;&nosuch;&;&#;&#x;&#65&#65;&#x41;&#X41g&#0;&#128;&#xD800;&#x110000;&#99999999999;&bne;&fjlig;&semi;">`,
	`<a href="?a=1&copy=2&copy;=3&copy3&lt&gt=&ampamp;&am`, `<a href="?a=1&copy=2&copy;=3&copy3&lt&gt=&ampamp;&am&AMP&frac12x&frac12">`, `<p title=&quot;a&quot>`,
}

func FuzzTokens(f *testing.F) {
	for _, seed := range oddTokens {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		compareTokens(t, "fuzz", input)
	})
}

// One tag with very many handlers must not make every later tag dear.
func TestManyHandlersAreForgotten(t *testing.T) {
	var first strings.Builder
	first.WriteString("<p")
	for i := range manyHandlers + 1 {
		fmt.Fprintf(&first, " on%d", i)
	}
	z := newTokenizer(first.String() + "><p onx>")
	if z.next(); z.attributes.handlers != manyHandlers+1 {
		t.Errorf("%d handlers, want %d", z.attributes.handlers, manyHandlers+1)
	}
	if z.next(); z.attributes.handlers != 1 || len(z.attributes.handled) != 1 {
		t.Errorf("%d handlers, %d names, want one", z.attributes.handlers, len(z.attributes.handled))
	}
}

// BenchmarkReal reads the HTML of the corpora's real mails in each way.
func BenchmarkReal(b *testing.B) {
	var documents, cleaned []string
	size := 0
	eachDocument(b, func(name, document string) {
		if strings.HasPrefix(name, "real/") && strings.Contains(name, " ") && strings.Contains(strings.ToLower(document), "<body") {
			documents = append(documents, document)
			cleaned = append(cleaned, HTML(document, Options{}).HTML)
			size += len(document)
		}
	})
	run := func(name string, visit func(i int)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for i := range documents {
					visit(i)
				}
			}
		})
	}
	run("HTML", func(i int) { HTML(documents[i], Options{}) })
	run("Text", func(i int) { Text(documents[i]) })
	run("Document", func(i int) { Document(documents[i], Options{}) })
	run("Replace", func(i int) { Replace(cleaned[i], hide("4", "2")) })
}
