package pii

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
)

// A tally counts, for one kind, what was found rightly, wrongly and not.
type tally struct{ right, wrong, missed int }

func (t tally) precision() float64 {
	if t.right+t.wrong == 0 {
		return 1
	}
	return float64(t.right) / float64(t.right+t.wrong)
}

func (t tally) recall() float64 {
	if t.right+t.missed == 0 {
		return 1
	}
	return float64(t.right) / float64(t.right+t.missed)
}

// A floor is the least precision and recall that a kind may have, set a little
// under what was measured.
type floor struct{ precision, recall float64 }

type tallies map[Kind]tally

// compare tallies finds against what is expected, by overlap, and gives the
// errors in words.
func (t tallies) compare(kind Kind, text string, found, want [][2]int) (errors []string) {
	count := t[kind]
	used := map[int]bool{}
	for _, w := range want {
		hit := slices.IndexFunc(found, func(f [2]int) bool { return f[0] < w[1] && w[0] < f[1] })
		if hit < 0 {
			count.missed++
			errors = append(errors, fmt.Sprintf("%s missed: %q in %q", kind, text[w[0]:w[1]], text))
			continue
		}
		if found[hit] != w {
			errors = append(errors, fmt.Sprintf("%s found %q for %q", kind, text[found[hit][0]:found[hit][1]], text[w[0]:w[1]]))
		}
		used[hit] = true
		count.right++
	}
	for i, f := range found {
		if !used[i] {
			count.wrong++
			errors = append(errors, fmt.Sprintf("%s wrong: %q in %q", kind, text[f[0]:f[1]], text))
		}
	}
	t[kind] = count
	return errors
}

func (t tallies) check(t2 *testing.T, floors map[Kind]floor) {
	t2.Helper()
	kinds := make([]Kind, 0, len(t))
	for kind := range t {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	t2.Logf("%-16s %6s %6s %6s %9s %7s", "kind", "right", "wrong", "missed", "precision", "recall")
	for _, kind := range kinds {
		c := t[kind]
		t2.Logf("%-16s %6d %6d %6d %9.3f %7.3f", kind, c.right, c.wrong, c.missed, c.precision(), c.recall())
		least, ok := floors[kind]
		if !ok {
			t2.Errorf("%s has no floor", kind)
		}
		if c.precision() < least.precision || c.recall() < least.recall {
			t2.Errorf("%s: precision %.3f and recall %.3f, want at least %v", kind, c.precision(), c.recall(), least)
		}
	}
}

func read(t testing.TB, name string, into any) {
	t.Helper()
	data, err := fs.ReadFile(corpora.Open(t), name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func spans(found []Match, kinds ...Kind) (out [][2]int) {
	for _, m := range found {
		if slices.Contains(kinds, m.Kind) {
			out = append(out, [2]int{m.Start, m.End})
		}
	}
	return out
}

// byteSpan turns offsets in characters into offsets in bytes.
func byteSpan(text string, start, end int) [2]int {
	runes := []rune(text)
	return [2]int{len(string(runes[:start])), len(string(runes[:end]))}
}

func TestFindsWhatThePublishedRecogniserCasesExpect(t *testing.T) {
	var rows []struct {
		Recognizer string
		Args       struct {
			Text, IBAN, Number, PESEL string
			Expected                  bool
			ExpectedLen               int      `json:"expected_len"`
			Positions                 [][2]int `json:"expected_positions"`
			Result                    [][2]int `json:"expected_res"`
		}
	}
	read(t, "pii/presidio-recognizer-cases.json", &rows)
	if len(rows) != 287 {
		t.Fatalf("%d rows, want 287", len(rows))
	}
	counts := tallies{}
	for _, row := range rows {
		kind := Kind(row.Recognizer)
		if kind == "credit_card" {
			kind = PaymentCard
		}
		args := row.Args
		text := args.Text + args.IBAN + args.Number + args.PESEL
		want := slices.Concat(args.Positions, args.Result)
		for i := range want {
			want[i] = byteSpan(text, want[i][0], want[i][1])
		}
		if len(want) == 0 && (args.ExpectedLen > 0 || args.Expected) {
			want = [][2]int{{0, len(text)}}
		}
		for _, line := range counts.compare(kind, text, spans(Find(text), kind), want) {
			t.Log(line)
		}
	}
	counts.check(t, map[Kind]floor{
		DETaxID: {1, 1}, Email: {1, 1}, ESNIF: {1, 1}, IBAN: {1, 1}, IP: {1, 1}, PaymentCard: {1, 1},
		PLPESEL: {1, 1}, UKNINO: {1, 1},
		ITFiscalCode: {1, 0.6},     // one row's check letter is wrong
		Phone:        {0.95, 0.85}, // one row runs letters into digits, one has a country code without plus
		USSSN:        {1, 0.6},     // nine bare digits are no number of anybody's
	})
}

func TestPrecisionAndRecallOnTheSyntheticTexts(t *testing.T) {
	var texts []struct {
		Text  string `json:"full_text"`
		Spans []struct {
			Type  string `json:"entity_type"`
			Start int    `json:"start_position"`
			End   int    `json:"end_position"`
		}
	}
	read(t, "pii/presidio-synth-first400.json", &texts)
	if len(texts) != 400 {
		t.Fatalf("%d texts, want 400", len(texts))
	}
	types := map[string]Kind{"CREDIT_CARD": PaymentCard, "PHONE_NUMBER": Phone, "EMAIL_ADDRESS": Email,
		"IBAN_CODE": IBAN, "US_SSN": USSSN, "IP_ADDRESS": IP, "US_DRIVER_LICENSE": DriverLicense, "STREET_ADDRESS": PostalAddress}
	counts := tallies{}
	for _, row := range texts {
		found := Find(row.Text)
		want := map[Kind][][2]int{}
		for _, span := range row.Spans {
			kind, ok := types[span.Type]
			if span.Type == "DATE_TIME" && strings.Contains(strings.ToLower(row.Text), "birth") || strings.Contains(row.Text, "born on") && span.Type == "DATE_TIME" {
				kind, ok = DateOfBirth, true
			}
			if ok {
				want[kind] = append(want[kind], byteSpan(row.Text, span.Start, span.End))
			}
		}
		for _, m := range found {
			if want[m.Kind] == nil {
				want[m.Kind] = [][2]int{}
			}
		}
		for kind, expected := range want {
			for _, line := range counts.compare(kind, row.Text, spans(found, kind), expected) {
				t.Log(line)
			}
		}
	}
	counts.check(t, map[Kind]floor{
		DateOfBirth: {1, 1}, DriverLicense: {1, 1}, Email: {1, 1}, IBAN: {1, 1}, IP: {1, 1},
		// Phone: two stand bare, with no word beside them that speaks of a telephone.
		PaymentCard: {0.97, 0.97}, Phone: {0.97, 0.95}, USSSN: {1, 1},
		PostalAddress: {0.98, 0.93}, // what is missed are names of streets that no word calls one
	})
}
