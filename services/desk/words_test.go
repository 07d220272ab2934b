package desk

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/pii"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
)

// constants gives the values of a type's string constants out of a file's text: services
// do not import one another, and the words must still keep up.
func constants(t *testing.T, file, kind string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(parsed, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != kind {
			return true
		}
		for _, value := range spec.Values {
			if literal, ok := value.(*ast.BasicLit); ok {
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, text)
			}
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("%s has no constants of type %s", file, kind)
	}
	return values
}

func TestEveryNoticeHasASentence(t *testing.T) {
	codes := constants(t, "../sanitize/render.go", "Notice")
	for _, code := range codes {
		if text, ok := noticeText[code]; !ok || !strings.HasSuffix(text, ".") {
			t.Errorf("%s: %q", code, text)
		}
	}
	if len(codes) != len(noticeText) {
		t.Errorf("%d notices and %d sentences", len(codes), len(noticeText))
	}
}

func TestEveryKindOfPersonalDataHasAName(t *testing.T) {
	for _, kind := range pii.Kinds {
		if name, ok := maskText[string(kind)]; !ok || strings.Contains(name, "_") {
			t.Errorf("%s: %q", kind, name)
		}
	}
	if len(maskText) != len(pii.Kinds) {
		t.Errorf("%d kinds and %d names", len(pii.Kinds), len(maskText))
	}
}

func TestEveryVerdictHasWords(t *testing.T) {
	for _, verdict := range []mailauth.Verdict{mailauth.Verified, mailauth.Authenticated, mailauth.Unverified, mailauth.Forged, mailauth.Ambiguous} {
		if _, ok := senderText[string(verdict)]; !ok {
			t.Errorf("%s has no words", verdict)
		}
	}
	for _, verdict := range constants(t, "../../pkg/attachment/attachment.go", "Verdict") {
		if _, ok := scanText[verdict]; !ok {
			t.Errorf("%s has no words", verdict)
		}
	}
	for _, file := range []string{"../../pkg/mailauth/spf/spf.go", "../../pkg/mailauth/dkim/dkim.go", "../../pkg/mailauth/dmarc/dmarc.go", "../../pkg/signature/signature.go"} {
		for _, outcome := range constants(t, file, "Outcome") {
			if _, ok := outcomeWord[outcome]; !ok {
				t.Errorf("%s: %s has no word", file, outcome)
			}
		}
	}
	if standingOf("unverified", nil).Class == "good" || standingOf("", nil).Class == "good" || pill("") == "good" || pill("error") == "good" {
		t.Error("what is not known looks good")
	}
}

func TestTimesAreToldAsPeopleTellThem(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for passed, want := range map[time.Duration]string{
		0: "just now", 59 * time.Second: "just now", time.Minute: "1 min ago", 59 * time.Minute: "59 min ago", time.Hour: "1 h ago",
		23 * time.Hour: "23 h ago", 24 * time.Hour: "yesterday", 48 * time.Hour: "2 days ago", 7 * 24 * time.Hour: "14 Nov 2026", -time.Hour: "just now",
	} {
		if got := ago(now.Add(-passed), now); got != want {
			t.Errorf("%v: %q", passed, got)
		}
	}
	if ago(time.Time{}, now) != "" || day(time.Time{}) != "no date" || moment(nil) != "–" {
		t.Error("no time is told as one")
	}
}

func TestFacesShowLettersOfEveryScript(t *testing.T) {
	for _, c := range [][3]string{
		{"Erika Mustermann", "", "EM"}, {"erika", "", "E"}, {"山田 太郎", "", "山"}, {"أحمد علي", "", "أع"}, {"", "erika@example.org", "E"},
		{"  ", "", "?"}, {`"Erika" <x>`, "", "EX"}, {"ß", "", "ß"}, {"🙂", "", "?"}, {"", "", "?"}, {"\xff", "", "?"},
	} {
		if got := initials(c[0], c[1]); got != c[2] {
			t.Errorf("%q: %q", c[0], got)
		}
	}
}

func TestWhatWasLeftOutIsCountedOnce(t *testing.T) {
	for want, m := range map[string]*contentv1.Message{
		"":                                       {},
		"1 script or form":                       {RemovedActive: 1},
		"2 trackers":                             {RemovedRemote: 2, RemovedTrackers: 2},
		"1 remote picture or file and 1 tracker": {RemovedRemote: 2, RemovedTrackers: 1},
	} {
		if got := removedWords(m); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSizesReadWell(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KB", 1 << 20: "1.0 MB", 5<<20 + 1<<19: "5.5 MB"} {
		if got := size(bytes); got != want {
			t.Errorf("%d: %q", bytes, got)
		}
	}
}

func TestWhatIsSaidOfSeveralReasonsIsSaidOnce(t *testing.T) {
	got := scanSentences([]string{"base64_bad_characters", "executable", "nul_in_text", "executable"})
	if want := []string{scanSentence("nul_in_text"), "This is a program."}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
