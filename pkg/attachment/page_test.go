package attachment

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"
)

const page = "../../docs/attachments.md"

// reasonsTable is the table of all codes, the gravest first, as the page has it.
func reasonsTable() string {
	codes := make([]string, 0, len(Reasons))
	for code := range Reasons {
		codes = append(codes, string(code))
	}
	rank := map[Verdict]int{}
	for i, v := range Verdicts() {
		rank[v] = i
	}
	sort.Slice(codes, func(i, j int) bool {
		a, b := rank[Reason(codes[i]).Verdict()], rank[Reason(codes[j]).Verdict()]
		return a < b || a == b && codes[i] < codes[j]
	})
	var out strings.Builder
	out.WriteString("| Code | Verdict | What agents read |\n| --- | --- | --- |\n")
	for _, code := range codes {
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", code, Reason(code).Verdict(), Reason(code).Sentence())
	}
	return out.String()
}

func TestThePageListsEveryReasonAndLimitAsItIs(t *testing.T) {
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	_, after, _ := strings.Cut(text, "<!-- reasons: generated from pkg/attachment -->\n")
	table, _, _ := strings.Cut(after, "<!-- end of reasons -->")
	if table != reasonsTable() {
		t.Errorf("the table of reasons is to be\n%s", reasonsTable())
	}
	d := DefaultLimits
	for _, said := range []string{
		fmt.Sprintf("| `Depth` | %d |", d.Depth), fmt.Sprintf("| `Members` | %d |", d.Members), fmt.Sprintf("| `MemberBytes` | %d MiB |", d.MemberBytes>>20),
		fmt.Sprintf("| `TotalBytes` | %d MiB |", d.TotalBytes>>20), fmt.Sprintf("| `Ratio` | %d |", d.Ratio), fmt.Sprintf("| `RatioFloor` | %d MiB |", d.RatioFloor>>20),
		fmt.Sprintf("| `Dictionary` | %d MiB |", d.Dictionary>>20), fmt.Sprintf("| `Passwords` | %d |", d.Passwords), fmt.Sprintf("| `Rounds` | %d |", d.Rounds),
		fmt.Sprintf("| `Pixels` | %d |", d.Pixels), fmt.Sprintf("| `PictureBytes` | %d MiB |", d.PictureBytes>>20), fmt.Sprintf("| `PictureMost` | %d |", d.PictureMost), fmt.Sprintf("| `Time` | %s |", d.Time),
	} {
		if !strings.Contains(text, said) {
			t.Errorf("the page does not say %q", said)
		}
	}
}
