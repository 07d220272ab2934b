package sanitize

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/confine"
	"github.com/postern-mail/postern/pkg/picture"
	"github.com/postern-mail/postern/pkg/pii"
	"github.com/postern-mail/postern/pkg/preview"
)

// killer are bytes of a picture that end the process which draws it.
const killer = "BM that kills"

func TestMain(m *testing.M) {
	confine.Enter(map[string]confine.Job{Job: func(ctx context.Context, parts [][]byte, ask confine.Ask) ([][]byte, error) {
		switch {
		case len(parts) == 2 && string(parts[1]) == killer:
			panic("a decoder's")
		case len(parts) == 2 && strings.HasPrefix(string(parts[1]), "BM that lies: "):
			told, content, _ := strings.Cut(strings.TrimPrefix(string(parts[1]), "BM that lies: "), "|")
			return [][]byte{[]byte(`{"Drawn":` + told + `}`), []byte(content)}, nil
		}
		return Decode(ctx, parts, ask)
	}})
	os.Exit(m.Run())
}

func gallery(t testing.TB, room confine.Room) Gallery {
	t.Helper()
	pool, err := confine.NewPool(confine.Options{Size: 1, Room: room})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return Gallery{Pool: pool}
}

func TestAConfinedHandDrawsTheSame(t *testing.T) {
	g := gallery(t, confine.Room{}).For(t.Context())
	content, err := base64.StdEncoding.DecodeString(drawing(t, 30, 20))
	if err != nil {
		t.Fatal(err)
	}
	for _, pixels := range []int64{600, 599} {
		got, gotErr := g.Redraw(content, pixels)
		want, wantErr := picture.Draw(content, pixels)
		if !errors.Is(gotErr, wantErr) || string(got.Content) != string(want.Content) || got.Type != want.Type || got.Pixels() != want.Pixels() {
			t.Errorf("%d pixels: %v %v, %v %v", pixels, got, gotErr, want, wantErr)
		}
	}
	if _, err := g.Redraw([]byte("GIF89a"), 600); !errors.Is(err, picture.ErrNone) {
		t.Errorf("no picture: %v", err)
	}
	if g.Err() != nil {
		t.Error(g.Err())
	}
}

func TestAPictureThatKillsWhoDrawsItIsWithheld(t *testing.T) {
	artist := gallery(t, confine.Room{}).For(t.Context())
	small, err := base64.StdEncoding.DecodeString(drawing(t, 30, 20))
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{
		killer,
		`BM that lies: {"Type":"text/html","Width":1,"Height":1}|<script>`,
		`BM that lies: {"Type":"image/png","Width":1,"Height":1}|<svg xmlns="http://www.w3.org/2000/svg"/>`,
		`BM that lies: {"Type":"image/png","Width":1,"Height":1}|GIF89a`,
		`BM that lies: {"Type":"image/png","Width":10,"Height":10}|` + string(small),
		`BM that lies: {"Type":"image/jpeg","Width":30,"Height":20}|` + string(small),
		`BM that lies: {"Type":"image/png","Width":4611686018427387904,"Height":4}|` + string(small), // in a product, nothing
	} {
		if _, err := artist.Redraw([]byte(content), 600); !errors.Is(err, confine.ErrDied) {
			t.Errorf("%.60q: %v", content, err)
		}
	}
	if _, err := artist.Redraw([]byte(`BM that lies: {"Type":"image/png","Width":30,"Height":20}|`+string(small)), 600); err != nil {
		t.Errorf("what is no lie: %v", err)
	}
	view := render(t, withFile("image/bmp", "a.bmp", killer), Options{Artist: pretend{err: confine.ErrDied}})
	if len(view.Attachments) != 0 || len(view.Withheld) != 1 || view.Withheld[0].Verdict != attachment.Error || view.Withheld[0].Reasons[0] != attachment.DecoderDied {
		t.Errorf("%+v", view)
	}
}

func TestWithoutAProcessToDrawInTheMailWaits(t *testing.T) {
	g := gallery(t, confine.Room{Memory: 1})
	_ = g.Pool.Await(t.Context(), func(error) { g.Pool.Close() }) // it will not come
	artist := g.For(t.Context())
	if _, err := artist.Redraw([]byte("BM"), 600); !errors.Is(err, confine.ErrNone) || !errors.Is(artist.Err(), confine.ErrNone) {
		t.Errorf("%v, %v", err, artist.Err())
	}
}

// A pretend artist says what it is told.
type pretend struct {
	pages preview.Pages
	err   error
}

func (p pretend) Redraw([]byte, int64) (picture.Drawn, error) { return picture.Drawn{}, p.err }
func (p pretend) Pages([]byte, string) (preview.Pages, error) { return p.pages, p.err }

func withFile(kind, name, content string) string {
	return "From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee\n--b\nContent-Type: " + kind +
		"\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=" + name + "\n\n" + base64.StdEncoding.EncodeToString([]byte(content)) + "\n--b--\n"
}

const rich = "{\\rtf1\\ansi words}"

func TestHowAFileCanBeLookedAtIsSaid(t *testing.T) {
	page := preview.Picture{PNG: []byte("x"), Width: 1, Height: 1}
	for name, c := range map[string]struct {
		kind, content string
		artist        Artist
		want          Look
		pages         int
		text          string
	}{
		"a document":         {"application/rtf", rich, pretend{pages: preview.Pages{Pictures: []preview.Picture{page}}}, LookPages, 1, ""},
		"a long one":         {"application/rtf", rich, pretend{pages: preview.Pages{Pictures: []preview.Picture{page}, More: true}}, LookPagesCut, 1, ""},
		"nothing to draw it": {"application/rtf", rich, Hand{}, NoLookProgram, 0, ""},
		"it is not drawn":    {"application/rtf", rich, pretend{err: preview.ErrFailed}, NoLookFailed, 0, ""},
		"text":               {"text/plain", "my card 4111 1111 1111 1111", Hand{}, LookText, 0, "my card ‹payment_card ··1111 #1›"},
		"text in latin":      {"text/plain; charset=iso-8859-1", "gr\xfc\xdfe", Hand{}, LookText, 0, "grüße"},
		"text at the limit":  {"text/plain", strings.Repeat("x ", maxLookText/2), Hand{}, LookText, 0, "-"},
		"one past it":        {"text/plain", strings.Repeat("x ", maxLookText/2) + "y", Hand{}, LookTextCut, 0, "-"},
	} {
		view := render(t, withFile(c.kind, "file.bin", c.content), Options{Artist: c.artist})
		if len(view.Attachments) != 1 {
			t.Errorf("%s: %+v", name, view.Withheld)
			continue
		}
		a := view.Attachments[0]
		if a.Look != c.want || len(a.Pages) != c.pages || c.text != "-" && strings.TrimSpace(a.Text) != c.text {
			t.Errorf("%s: %s, %d pages, %q", name, a.Look, len(a.Pages), a.Text)
		}
	}
}

func TestOnlySoManyDocumentsAreDrawn(t *testing.T) {
	for files, want := range map[int]Look{maxLooked: LookPages, maxLooked + 1: NoLookMany} {
		raw := "From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
		for range files {
			raw += "--b\nContent-Type: application/rtf\nContent-Disposition: attachment; filename=a.rtf\n\n" + rich + "\n"
		}
		view := render(t, raw+"--b--\n", Options{Artist: pretend{}})
		if got := view.Attachments[files-1].Look; got != want {
			t.Errorf("file %d: %s, want %s", files, got, want)
		}
	}
}

func TestOnlySoMuchTextOfFilesIsShown(t *testing.T) {
	for length, want := range map[int]Look{1000: LookText, 1001: NoLookMany} { // the second begins before the limit, or past it
		raw := "From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
		for _, n := range []int{length, 10, 10} {
			raw += "--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\n" + strings.Repeat("x", n) + "\n"
		}
		view := render(t, raw+"--b--\n", Options{MaxText: 1001})
		if got := view.Attachments[1].Look; got != want {
			t.Errorf("behind %d letters: %s, want %s", length, got, want)
		}
		if got := view.Attachments[2]; got.Look != NoLookMany || got.Text != "" {
			t.Errorf("behind %d more: %s", length, got.Look)
		}
	}
}

func TestATextIsShownByItsCharsetAndAForwardedMailByItsWords(t *testing.T) {
	file := func(name, content string) string {
		return "From: a@example.com\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee\n--b\nContent-Type: application/octet-stream\n" +
			"Content-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=" + name + "\n\n" + base64.StdEncoding.EncodeToString([]byte(content)) + "\n--b--\n"
	}
	for name, test := range map[string]struct{ raw, want string }{
		"Latin-1": {file("a.txt", "Gr\xfc\xdfe aus M\xfcnchen, und bis bald."), "Grüße aus München, und bis bald."},
		"UTF-16":  {file("a.txt", "\xff\xfeG\x00r\x00\xfc\x00\xdf\x00e\x00"), "Grüße"},
		"UTF-8":   {file("a.txt", "Grüße"), "Grüße"},
		"a mail": {"From: a@example.com\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee\n--b\nContent-Type: message/rfc822\nContent-Disposition: attachment\n\n" +
			"From: Erika <erika@example.org>\nSubject: =?utf-8?q?R=C3=BCckgabe?=\nContent-Type: text/html\n\n<p>My card is " + cardNumber + ".<script>1</script>\n--b--\n",
			"From: Erika <erika@example.org>\nSubject: Rückgabe\n\nMy card is ‹payment_card ··1111 #1›."},
	} {
		view := render(t, test.raw, Options{Mask: pii.Options{Actions: map[pii.Kind]pii.Action{pii.Email: pii.Leave}}})
		got := ""
		for _, a := range view.Attachments {
			if a.Look == LookText {
				got += strings.TrimSpace(a.Text)
			}
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q; withheld %v", name, got, test.want, view.Withheld)
		}
	}
}
