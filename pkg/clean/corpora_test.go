package clean

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
	"golang.org/x/net/html"
)

func corpus(t testing.TB, name string, into any) {
	t.Helper()
	data, err := fs.ReadFile(corpora.Open(t), name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func TestNothingActiveSurvivesOfThePublishedAttacks(t *testing.T) {
	var attacks []struct{ ID, Payload string }
	corpus(t, "html/dompurify-expect.json", &attacks)
	if len(attacks) != 223 {
		t.Fatalf("%d attacks, want 223", len(attacks))
	}
	for _, attack := range attacks {
		if _, err := verify(attack.Payload, Options{}); err != nil {
			t.Errorf("%s: %v", attack.ID, err)
		}
	}
}

type pair struct{ File, Func, In, Expected string }

func publishedPairs(t testing.TB) []pair {
	var pairs []pair
	corpus(t, "html/bluemonday.json", &pairs)
	if len(pairs) != 547 {
		t.Fatalf("%d pairs, want 547", len(pairs))
	}
	return pairs
}

func TestNothingActiveSurvivesOfThePublishedPairs(t *testing.T) {
	for i, pair := range publishedPairs(t) {
		if _, err := verify(pair.In, Options{}); err != nil {
			t.Errorf("%d %s: %v", i, pair.Func, err)
		}
		if _, err := verify(pair.Expected, Options{}); err != nil {
			t.Errorf("%d %s, expected: %v", i, pair.Func, err)
		}
	}
}

// treeText is the text of a document by the tree parser, scripts and the like
// left out, white space collapsed.
func treeText(input string) string {
	root, err := html.Parse(strings.NewReader(input))
	if err != nil {
		return ""
	}
	var out strings.Builder
	var visit func(*html.Node)
	visit = func(node *html.Node) {
		if node.Type == html.TextNode {
			out.WriteString(node.Data)
		}
		if node.Type == html.ElementNode && node.Data == "span" {
			for _, attribute := range node.Attr {
				if attribute.Key == "class" && strings.HasPrefix(attribute.Val, "postern-") {
					return
				}
			}
		}
		for child := node.FirstChild; child != nil; child = child.NextSibling {
			visit(child)
		}
	}
	visit(root)
	return strings.Join(strings.Fields(out.String()), " ")
}

// Where the other library's answer still has text, its author took that text
// for harmless; ours must have it, too.
func TestHarmlessTextStays(t *testing.T) {
	otherwise := map[string]string{
		"TestSanitizedURL":         "the inputs are URLs, not documents",
		"TestAllowElementsContent": "the policy under test asks for the text of scripts and frames",
	}
	for i, pair := range publishedPairs(t) {
		if otherwise[pair.Func] != "" {
			continue
		}
		want := treeText(pair.Expected)
		got := treeText(HTML(pair.In, Options{}).HTML)
		for _, word := range strings.Fields(want) {
			if !strings.Contains(got, strings.Trim(word, "\u200b")) {
				t.Errorf("%d %s: %q lost from %q: %q", i, pair.Func, word, pair.In, got)
			}
		}
	}
}
