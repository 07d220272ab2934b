package clean

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// contexts are elements that somebody could put clean HTML into.
var contexts = []string{"body", "div", "p", "span", "a", "td", "tr", "table", "select", "ul", "pre", "button", "form", "fieldset", "details", "blockquote", "font", "b", "h1", "li", "dd", "ruby", "noscript", "template"}

// foreign are frames in which HTML is read by other rules. Clean HTML in them is
// text or plain elements still.
var foreign = []string{"<svg>%s</svg>", "<svg><desc>%s</desc></svg>", "<svg><foreignObject>%s</foreignObject></svg>", "<svg><title>%s</title></svg>", "<math>%s</math>", "<math><mtext>%s</mtext></math>",
	"<math><annotation-xml encoding=\"text/html\">%s</annotation-xml></math>", "<table>%s</table>", "<table><tr>%s</tr></table>", "<table><caption>%s</caption></table>", "<select>%s</select>", "<select><option>%s</option></select>",
	"<template>%s</template>", "<noscript>%s</noscript>", "<textarea>%s</textarea>", "<title>%s</title>", "<style>%s</style>", "<script>%s</script>", "<xmp>%s</xmp>", "<iframe>%s</iframe>", "<!--%s-->", "<p>%s</p>", "<a href=x>%s</a>",
	"<form>%s</form>", "<button>%s</button>", "<b><i><u>%s", "<div title=\"%s\">", "<div title='%s'>", "<object>%s</object>", "<frameset>%s</frameset>", "<plaintext>%s", "<marquee>%s</marquee>", "<math><mi>%s</mi></math>"}

// wicked names what could run or fetch in a tree, whatever else is in it.
func wicked(root *html.Node) (found []string) {
	stack := []*html.Node{root}
	for len(stack) > 0 {
		node := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for child := node.FirstChild; child != nil; child = child.NextSibling {
			stack = append(stack, child)
		}
		if node.Type != html.ElementNode {
			continue
		}
		for _, attribute := range node.Attr {
			key, value := strings.ToLower(attribute.Key), strings.ToLower(strings.TrimSpace(attribute.Val))
			switch {
			case strings.HasPrefix(key, "on"), key == "srcdoc", key == "srcset", key == "background", key == "formaction":
				found = append(found, node.Data+" "+key)
			case (key == "href" || key == "src") && value != "x" && !strings.HasPrefix(value, "http://") && !strings.HasPrefix(value, "https://") && !strings.HasPrefix(value, "mailto:"):
				found = append(found, node.Data+" "+key+"="+value)
			case key == "src":
				found = append(found, node.Data+" src="+value)
			case key == "style" && (strings.Contains(value, "url(") || strings.Contains(value, "expression")):
				found = append(found, node.Data+" style")
			}
		}
	}
	return found
}

// scripts counts the elements of a tree by names that run or fetch.
func scripts(root *html.Node) (count int) {
	stack := []*html.Node{root}
	for len(stack) > 0 {
		node := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for child := node.FirstChild; child != nil; child = child.NextSibling {
			stack = append(stack, child)
		}
		if node.Type == html.ElementNode {
			switch node.Data {
			case "script", "iframe", "object", "embed", "img", "image", "video", "audio", "link", "meta", "base", "form", "svg", "math", "style", "frame", "frameset":
				count++
			}
		}
	}
	return count
}

// unmoved parses clean HTML as often as a page is written and read again, in every
// context, and fails where something comes to life.
func unmoved(cleaned string) error {
	for _, name := range contexts {
		text := cleaned
		for round := range 3 {
			nodes, err := html.ParseFragment(strings.NewReader(text), &html.Node{Type: html.ElementNode, Data: name, DataAtom: atom.Lookup([]byte(name))})
			if err != nil {
				return err
			}
			var again strings.Builder
			for _, node := range nodes {
				if found := wicked(node); len(found) > 0 || scripts(node) > 0 {
					return fmt.Errorf("in %s, round %d: %q of %q", name, round, found, cleaned)
				}
				if err := html.Render(&again, node); err != nil {
					return err
				}
			}
			text = again.String()
		}
	}
	for _, frame := range foreign {
		text, own := fmt.Sprintf(frame, cleaned), -1
		for round := range 3 {
			root, err := html.Parse(strings.NewReader(text))
			if err != nil {
				return err
			}
			if own < 0 { // what the frame itself has of them
				empty, err := html.Parse(strings.NewReader(fmt.Sprintf(frame, "x")))
				if err != nil {
					return err
				}
				own = scripts(empty)
			}
			if found := wicked(root); len(found) > 0 || scripts(root) > own {
				return fmt.Errorf("in %s, round %d: %q, %d elements of %q", frame, round, found, scripts(root), cleaned)
			}
			var again strings.Builder
			if err := html.Render(&again, root); err != nil {
				return err
			}
			text = again.String()
		}
	}
	return nil
}

func TestNothingComesToLifeWhereverCleanHTMLIsPut(t *testing.T) {
	count := 0
	check := func(name, input string) {
		count++
		if err := unmoved(HTML(input, Options{}).HTML); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var attacks []struct{ ID, Payload string }
	corpus(t, "html/dompurify-expect.json", &attacks)
	for _, attack := range attacks {
		check(attack.ID, attack.Payload)
	}
	for i, pair := range publishedPairs(t) {
		check(fmt.Sprintf("pair %d", i), pair.In)
	}
	for _, input := range oddTokens {
		check(input, input)
	}
	for name, unit := range nastyShapes {
		check(name, strings.Repeat(unit, 5))
	}
	for i := range 60 { // pieces of the attacks put together anew
		random := rand.New(rand.NewPCG(uint64(i), 6))
		var input strings.Builder
		for range 6 {
			payload := attacks[random.IntN(len(attacks))].Payload
			at := random.IntN(len(payload) + 1)
			input.WriteString(payload[at:min(len(payload), at+random.IntN(80))])
		}
		check(fmt.Sprintf("splice %d", i), input.String())
	}
	t.Logf("%d documents in %d contexts and %d frames, three rounds each", count, len(contexts), len(foreign))
}

// mutate changes a document as a bad line would: bits, cuts, and pieces of others.
func mutate(random *rand.Rand, document, other string) string {
	out := []byte(document)
	switch random.IntN(3) {
	case 0:
		for range 1 + len(out)/200 {
			if len(out) > 0 {
				out[random.IntN(len(out))] ^= 1 << random.IntN(8)
			}
		}
	case 1:
		out = out[:random.IntN(len(out)+1)]
	default:
		at, from := random.IntN(len(out)+1), random.IntN(len(other)+1)
		out = append(append(out[:at:at], other[from:min(len(other), from+random.IntN(400))]...), out[at:]...)
	}
	return string(out)
}

func TestMutatedDocumentsStaySafe(t *testing.T) {
	var documents []string
	files := corpora.Open(t)
	err := fs.WalkDir(files, "real", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if len(data) < 64<<10 {
			documents = append(documents, string(data))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var attacks []struct{ ID, Payload string }
	corpus(t, "html/dompurify-expect.json", &attacks)
	for _, attack := range attacks {
		documents = append(documents, attack.Payload)
	}
	random := rand.New(rand.NewPCG(4, 2))
	for i, document := range documents {
		mutated := mutate(random, document, documents[random.IntN(len(documents))])
		if _, err := verify(mutated, Options{}); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		text := Text(mutated)
		for _, fold := range Folds(text) {
			if fold.Start < 0 || fold.End > len(text) || fold.Start >= fold.End {
				t.Errorf("%d: fold %+v", i, fold)
			}
		}
	}
	t.Logf("%d documents", len(documents))
}

// What is allocated grows with the input and not faster: twice the input takes not
// much more than twice the bytes.
func TestMemoryGrowsWithTheInput(t *testing.T) {
	for name, unit := range nastyShapes {
		used := func(size int) uint64 {
			input := strings.Repeat(unit, size/len(unit))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			HTML(input, Options{})
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		small, large := used(1<<18), used(1<<19)
		if large > small*5/2+1<<20 {
			t.Errorf("%s: %d bytes for 256 KiB, %d for 512 KiB", name, small, large)
		}
		if large > 64<<20 {
			t.Errorf("%s: %d bytes for 512 KiB", name, large)
		}
	}
}
