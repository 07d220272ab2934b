package mail_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// An rfcRow is a row of docs/rfc.md.
type rfcRow struct {
	line     string
	rfcs     []string
	sections []string
	files    []string // from the root of the module
	done     string
	why      string
}

func rfcTable(t *testing.T) (rows []rfcRow) {
	t.Helper()
	text, err := os.ReadFile("../../docs/rfc.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) < 5 || strings.Contains(cells[0], "RFC") || strings.Contains(cells[0], "---") {
			continue
		}
		row := rfcRow{line: strings.TrimSpace(line), done: strings.TrimSpace(cells[3]), why: strings.TrimSpace(strings.Join(cells[4:], "|"))}
		row.rfcs, row.sections = listed(cells[0]), listed(cells[1])
		dir := ""
		for _, file := range listed(strings.ReplaceAll(cells[2], ";", ",")) {
			if strings.Contains(file, "/") {
				dir = path.Dir(file)
			} else {
				file = path.Join(dir, file)
			}
			row.files = append(row.files, file)
		}
		rows = append(rows, row)
	}
	if len(rows) < 80 {
		t.Fatalf("%d rows", len(rows))
	}
	return rows
}

func listed(cell string) (out []string) {
	for _, word := range strings.Split(cell, ",") {
		if word = strings.TrimSpace(word); word != "" {
			out = append(out, word)
		}
	}
	return out
}

func TestTheTableOfStandardsNamesFilesThatExistAndSaysWhatIsLeftOut(t *testing.T) {
	for _, row := range rfcTable(t) {
		if row.done != "yes" && row.done != "partial" && row.done != "no" {
			t.Errorf("%q is no answer: %s", row.done, row.line)
		}
		if row.done != "yes" && row.why == "" {
			t.Errorf("does not say what is left out: %s", row.line)
		}
		if (row.done == "no") != (len(row.files) == 0) {
			t.Errorf("files for what is not done, or none for what is: %s", row.line)
		}
		for _, file := range row.files {
			if _, err := os.Stat(filepath.Join("../..", file)); err != nil {
				t.Errorf("%s is not there: %s", file, row.line)
			}
		}
	}
}

var citation = regexp.MustCompile(`RFC ([0-9]{3,5})(?: §([0-9]+(?:\.[0-9]+)*))?`)

// What this package cites stands in the table with its file, and each of the table's rows is
// cited where it says.
func TestTheTableOfStandardsAgreesWithWhatIsCited(t *testing.T) {
	rows := rfcTable(t)
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	cited := map[string]bool{} // "file RFC" and "file RFC section"
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file := "pkg/mail/" + name
		for _, c := range citation.FindAllStringSubmatch(string(source), -1) {
			cited[file+" "+c[1]] = true
			if c[1] == "822" { // what RFC 5322 replaced
				continue
			}
			known := false
			for _, row := range rows {
				known = known || row.covers(c[1], c[2], file)
			}
			if !known {
				t.Errorf("%s cites RFC %s §%s, which the table does not have", file, c[1], c[2])
			}
		}
	}
	for _, row := range rows {
		for _, file := range row.files {
			if !strings.HasPrefix(file, "pkg/mail/") {
				continue
			}
			for _, rfc := range row.rfcs {
				if !cited[file+" "+rfc] {
					t.Errorf("%s does not cite RFC %s: %s", file, rfc, row.line)
				}
			}
		}
	}
	if len(cited) < 50 {
		t.Errorf("only %d citations", len(cited))
	}
}

// covers says whether the row is of that section, or of one that holds it; without a section any
// row of the standard will do.
func (r rfcRow) covers(rfc, section, file string) bool {
	has := func(list []string, one string) bool {
		for _, have := range list {
			if have == one {
				return true
			}
		}
		return false
	}
	if !has(r.rfcs, rfc) {
		return false
	}
	if section == "" {
		return true
	}
	if !has(r.files, file) {
		return false
	}
	for _, s := range r.sections {
		if section == s || strings.HasPrefix(section, s+".") {
			return true
		}
	}
	return len(r.sections) == 0
}
