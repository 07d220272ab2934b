package clean

import (
	"strings"
	"testing"
)

// hide finds every stretch between the two words.
func hide(from, to string) func(string, Place) []Replacement {
	return func(text string, place Place) (found []Replacement) {
		for at := 0; ; {
			start := strings.Index(text[at:], from)
			if start < 0 {
				return found
			}
			end := strings.Index(text[at+start:], to)
			if end < 0 {
				return found
			}
			found = append(found, Replacement{at + start, at + start + end + len(to), "‹x›"})
			at += start + end + len(to)
		}
	}
}

func TestAReplacementReachesAcrossElements(t *testing.T) {
	in := `<p>card 41<b>11</b> 1<i>1</i>12 &amp; more</p>`
	if got, want := Replace(in, hide("41", "12")), `<p>card ‹x›<b></b><i></i> &amp; more</p>`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSeveralReplacementsInOneText(t *testing.T) {
	in := `<p>a1b a2b <span>&lt;a3b&gt;</span></p>`
	if got, want := Replace(in, hide("a", "b")), `<p>‹x› ‹x› <span>&lt;‹x›&gt;</span></p>`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLabelsAndAddressesAreReplacedToo(t *testing.T) {
	in := HTML(`<p title="x a1b &quot;y&quot;"><a href="mailto:a1b@example.org">z</a><a href="https://ok.example/">w</a></p>`, Options{}).HTML
	got := Replace(in, hide("a1", "b"))
	if strings.Contains(got, "a1b") || !strings.Contains(got, `title="x ‹x› &#34;y&#34;"`) || !strings.Contains(got, "https://ok.example/") {
		t.Errorf("got %q", got)
	}
	if found := oracle(got); len(found) > 0 {
		t.Errorf("unsafe: %q", found)
	}
}

// In a text that has been changed everywhere, the running text is the old one,
// changed everywhere; nothing else of the document is another.
func TestReplacementsOfTheCorporasDocumentsLandWhereTheyBelong(t *testing.T) {
	letters := func(text string, place Place) (found []Replacement) {
		for at := 0; place == Running && at < len(text); at++ {
			if text[at] == 'e' {
				found = append(found, Replacement{at, at + 1, "<&ë>"})
			}
		}
		return found
	}
	eachDocument(t, func(name, document string) {
		cleaned := HTML(document, Options{}).HTML
		if got := Replace(cleaned, func(string, Place) []Replacement { return nil }); got != cleaned {
			t.Fatalf("%s: nothing was replaced, and something changed", name)
		}
		_, running, tags := readDocument(cleaned)
		_, got, gotTags := readDocument(Replace(cleaned, letters))
		if want := strings.ReplaceAll(running, "e", "<&ë>"); got != want {
			t.Fatalf("%s: %q, want %q", name, got, want)
		}
		if len(gotTags) != len(tags) {
			t.Errorf("%s: %d tags, want %d", name, len(gotTags), len(tags))
		}
	})
}

func TestReplacingNothingChangesNothing(t *testing.T) {
	for _, pair := range publishedPairs(t) {
		cleaned := HTML(pair.In, Options{}).HTML
		if got := Replace(cleaned, func(string, Place) []Replacement { return nil }); got != cleaned {
			t.Errorf("%q became %q", cleaned, got)
		}
	}
}
