package promise1

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// page is where the numbered steps stand.
const page = "../../docs/crashes.md"

var row = regexp.MustCompile(`(?m)^\| (\d+) \|`)

func TestEveryNumberedStepOfTheCrashPageIsKilledAt(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	onPage := map[int]bool{}
	for i, match := range row.FindAllStringSubmatch(string(text), -1) {
		number, err := strconv.Atoi(match[1])
		if err != nil {
			t.Fatal(err)
		}
		if number != i+1 {
			t.Errorf("step %d stands where step %d belongs", number, i+1)
		}
		onPage[number] = true
	}
	if len(onPage) == 0 {
		t.Fatal("the page has no numbered step")
	}
	killed := map[int]bool{}
	kills := map[string]bool{}
	for _, s := range slices.Concat(steps, anewSteps) {
		if kills[s.name()] {
			t.Errorf("step %s has two kills", s.name())
		}
		kills[s.name()], killed[s.number] = true, true
		if !onPage[s.number] {
			t.Errorf("the kill at %d, %s, is at no step of the page", s.number, s.what)
		}
		for moment, k := range s.killings() {
			if k.Call.Where == "" || k.After != (moment == "after") {
				t.Errorf("step %d has no kill %s it", s.number, moment)
			}
		}
	}
	for number := range onPage {
		if !killed[number] {
			t.Errorf("step %d has no kill", number)
		}
	}
}
