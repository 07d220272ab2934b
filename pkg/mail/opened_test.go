package mail

import (
	"slices"
	"strings"
	"testing"
)

const closedMail = "From: a@example.com\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext with a block in it\n--b\nContent-Type: application/octet-stream\n\nnoise\n--b--\n"

// opening hangs an entity below the second part of closedMail.
func opening(content string, lim Limits) *Message {
	m := Parse([]byte(closedMail), lim)
	return m.Open([]Opening{{Part: m.Root.Children[1], Form: Entity, Content: []byte(content)}}, lim)
}

func TestWhatIsOpenedIsNumberedLikeAMessage(t *testing.T) {
	for content, want := range map[string]string{
		"Content-Type: text/plain\n\nwords\n": " 1 2 2.1",
		"\nwords\n":                           " 1 2 2.1",
		"":                                    " 1 2 2.1",
		"Content-Type: multipart/mixed; boundary=c\n\n--c\n\none\n--c\nContent-Type: message/rfc822\n\nSubject: x\n\ntwo\n--c--\n": " 1 2 2 2.1 2.2 2.2.1",
	} {
		var paths []string
		opening(content, Limits{}).Walk(func(p *Part) { paths = append(paths, p.Path) })
		if got := strings.Join(paths, " "); got != want {
			t.Errorf("%q: %s, want %s", content, got, want)
		}
	}
}

func TestFieldsOfAnOpenedEntityAreNotMissed(t *testing.T) {
	m := opening("Content-Type: text/plain; charset=us-ascii\n\n\xfc\n", Limits{})
	var codes []string
	for _, d := range m.Defects {
		codes = append(codes, d.Code+"@"+d.Path)
	}
	if !slices.Equal(codes, []string{"missing_date@", "charset_mismatch@2.1"}) || m.CharsetIssues != 1 {
		t.Errorf("%v, %d issues", codes, m.CharsetIssues)
	}
}

func TestOpeningEndsAtTheLimits(t *testing.T) {
	const two = "Content-Type: multipart/mixed; boundary=c\n\n--c\n\none\n--c--\n"
	for name, c := range map[string]struct {
		content     string
		at, past    Limits
		code        string
		doubted     bool // the entity is there, and its container closed
		openedParts int
	}{
		"parts":  {"\nwords", Limits{Parts: 4}, Limits{Parts: 3}, "members_limit", false, 1},
		"depth":  {"\nwords", Limits{Depth: 2}, Limits{Depth: 1}, "depth_limit", false, 1},
		"bytes":  {"\nwords", Limits{Decoded: 6}, Limits{Decoded: 5}, "total_size_limit", false, 1},
		"inside": {two, Limits{Depth: 3}, Limits{Depth: 2}, "depth_limit", true, 2},
	} {
		second := func(lim Limits) *Part {
			m := Parse([]byte(closedMail), Limits{})
			openings := []Opening{{Part: m.Root.Children[1], Form: Entity, Content: []byte(c.content)}}
			part := m.Open(openings, lim).Root.Children[1]
			if refused := openings[0].Refused != ""; refused != (len(part.Opened) == 0) {
				t.Errorf("%s: the opening was refused for %q, and %d hang there", name, openings[0].Refused, len(part.Opened))
			}
			return part
		}
		count := 0
		if p := second(c.at); len(p.Unopened) == 0 && len(p.Opened) == 1 {
			p.Opened[0].Walk(func(p *Part) { count += 1 - 2*len(p.Ambiguous) })
		}
		if count != c.openedParts {
			t.Errorf("%s at the limit: %d parts", name, count)
		}
		switch p := second(c.past); {
		case c.doubted && (len(p.Opened) != 1 || !slices.Contains(p.Opened[0].Ambiguous, c.code)), !c.doubted && (!slices.Equal(p.Unopened, []string{c.code}) || len(p.Opened) != 0):
			t.Errorf("%s one past it: %v %+v", name, p.Unopened, p.Opened)
		}
	}
}

func TestOpenedWordsAreCutOutOfTheTextAroundThem(t *testing.T) {
	m := Parse([]byte(closedMail), Limits{})
	part := m.Root.Children[0]
	at := strings.Index(string(part.Content), "a block")
	m = m.Open([]Opening{{Part: part, Form: Words, Content: []byte("gr\xfc\xdfe"), Charset: "iso-8859-1", Start: at, End: at + len("a block")}}, Limits{})
	around, _ := m.Root.Children[0].Text()
	words, _ := m.Root.Children[0].Opened[0].Text()
	if strings.TrimSpace(around) != "text with  in it" || words != "grüße" {
		t.Errorf("%q %q", around, words)
	}
	if before, _ := part.Text(); !strings.Contains(before, "a block") {
		t.Errorf("the part that was given says %q now", before)
	}
}
