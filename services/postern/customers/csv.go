package customers

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	customerv1 "github.com/postern-mail/postern/proto/customer/v1"
)

// Columns of a CSV file. Those of address and name may be there several times, and a cell of
// either may hold several, with semicolons between.
const (
	numberColumn      = "number"
	nameColumn        = "name"
	addressColumn     = "address"
	languageColumn    = "language"
	notesColumn       = "notes"
	openpgpColumn     = "openpgp"
	certificateColumn = "certificate"
	confirmedColumn   = "confirmed" // the day on which the row's addresses were made sure of
	howColumn         = "how"
)

// Columns are all of them.
var Columns = []string{numberColumn, nameColumn, addressColumn, languageColumn, notesColumn, openpgpColumn, certificateColumn, confirmedColumn, howColumn}

// others are the names that programs give the same columns.
var others = map[string]string{
	"id": numberColumn, "customer": numberColumn, "customer number": numberColumn, "names": nameColumn, "full name": nameColumn, "company": nameColumn, "organisation": nameColumn, "organization": nameColumn,
	"email": addressColumn, "e-mail": addressColumn, "mail": addressColumn, "addresses": addressColumn, "note": notesColumn, "lang": languageColumn,
	"pgp": openpgpColumn, "key": openpgpColumn, "smime": certificateColumn, "s/mime": certificateColumn, "confirmed on": confirmedColumn, "confirmed how": howColumn,
}

// readCSV reads rows below a line of names, with commas, semicolons or tabs between cells.
func readCSV(content []byte, beside func(string) ([]byte, error), p *problems) []Entry {
	if !bytes.ContainsRune(content, '\n') { // as Excel writes a table "for Macintosh"
		content = bytes.ReplaceAll(content, []byte("\r"), []byte("\n"))
	}
	before := 0
	if first, rest, _ := bytes.Cut(content, []byte("\n")); separatorLine.Match(first) {
		content, before = rest, 1
	}
	r := csv.NewReader(bytes.NewReader(content))
	r.Comma, r.FieldsPerRecord = delimiter(content), -1
	heads, err := r.Read()
	if err != nil {
		p.add(1, errors.New("there is no line with the names of columns"))
		return nil
	}
	columns := contacts(heads)
	people := columns != nil
	if !people {
		columns = namedColumns(heads, p)
	}
	if len(p.told) > 0 {
		return nil
	}
	var entries []Entry
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return entries
		}
		var broken *csv.ParseError
		if errors.As(err, &broken) {
			p.add(before+broken.Line, broken.Err)
			return entries
		}
		line, _ := r.FieldPos(0)
		line += before
		if !slices.ContainsFunc(row, func(cell string) bool { return strings.TrimSpace(cell) != "" }) {
			continue // an empty line of a table
		}
		if len(row) != len(columns) {
			p.add(line, fmt.Errorf("%d cells where the first line names %d", len(row), len(columns)))
			continue
		}
		card, err := cardOf(columns, row, beside)
		switch {
		case err != nil:
			p.add(line, err)
		case !found(card) && people:
			p.passed++
		case !found(card):
			p.add(line, fmt.Errorf("neither %s nor %s, by one of which a customer is found again", addressColumn, numberColumn))
		default:
			entries = append(entries, Entry{Line: line, Card: card})
		}
	}
}

// separatorLine is a first line that tells Excel what stands between cells.
var separatorLine = regexp.MustCompile(`^(?i)"?sep=.?"?\r?$`)

// found tells whether a customer can be found again, by the next file.
func found(card *customerv1.Card) bool { return len(card.GetAddresses()) > 0 || card.GetNumber() != "" }

// namedColumns reads the names of columns.
func namedColumns(heads []string, p *problems) []string {
	columns := make([]string, len(heads))
	for i, head := range heads {
		name := strings.ToLower(strings.TrimSpace(head))
		if same := others[name]; same != "" {
			name = same
		}
		if !slices.Contains(Columns, name) {
			p.add(1, fmt.Errorf("column %q is not known: there are %s", head, strings.Join(Columns, ", ")))
		}
		if name != addressColumn && name != nameColumn && slices.Contains(columns[:i], name) {
			p.add(1, fmt.Errorf("column %q stands there twice", head))
		}
		columns[i] = name
	}
	if !slices.Contains(columns, addressColumn) && !slices.Contains(columns, numberColumn) {
		p.add(1, fmt.Errorf("there is no column %q or %q, by one of which a customer is found again", addressColumn, numberColumn))
	}
	return columns
}

// delimiter is what stands most often between the names of the columns.
func delimiter(content []byte) rune {
	first, _, _ := bytes.Cut(content, []byte("\n"))
	best, most := ',', bytes.Count(first, []byte(","))
	for _, other := range []rune{';', '\t'} {
		if n := bytes.Count(first, []byte(string(other))); n > most {
			best, most = other, n
		}
	}
	return best
}

func cardOf(columns, row []string, beside func(string) ([]byte, error)) (*customerv1.Card, error) {
	card := new(customerv1.Card)
	var confirmed, how string
	var parts [3]string // of a name
	var problems []error
	for i, cell := range row {
		cell = strings.TrimSpace(cell)
		if cell == "" {
			continue
		}
		switch columns[i] {
		case givenColumn:
			parts[0] = cell
		case middleColumn:
			parts[1] = cell
		case familyColumn:
			parts[2] = cell
		case numberColumn:
			card.Number = cell
		case nameColumn:
			card.Names = append(card.Names, several(cell)...)
		case addressColumn:
			for _, address := range several(cell) {
				card.Addresses = append(card.Addresses, &customerv1.Address{Address: address})
			}
		case languageColumn:
			card.Language = cell
		case notesColumn:
			card.Notes = strings.ReplaceAll(cell, "\r\n", "\n")
		case openpgpColumn, certificateColumn:
			problems = append(problems, addKeys(card, columns[i], cell, beside))
		case confirmedColumn:
			confirmed = cell
		case howColumn:
			how = cell
		}
	}
	if name := strings.Join(strings.Fields(strings.Join(parts[:], " ")), " "); name != "" {
		card.Names = slices.Insert(card.Names, 0, name)
	}
	problems = append(problems, confirm(card, confirmed, how))
	return card, errors.Join(problems...)
}

// several are a cell's values. Google puts three colons between them.
func several(cell string) []string {
	var values []string
	for _, value := range strings.Split(strings.ReplaceAll(cell, " ::: ", ";"), ";") {
		if value = strings.TrimSpace(value); value != "" {
			values = append(values, value)
		}
	}
	return values
}

// addKeys adds the keys that stand in a cell, or in the file that it names.
func addKeys(card *customerv1.Card, column, cell string, beside func(string) ([]byte, error)) error {
	text := []byte(cell)
	if !strings.HasPrefix(cell, "-----BEGIN ") {
		var err error
		if text, err = beside(cell); err != nil {
			return fmt.Errorf("%s: %w: write the key itself, or the name of a file beside this one", column, err)
		}
	}
	var err error
	if column == openpgpColumn {
		card.Openpgp, err = appendOpenPGP(card.GetOpenpgp(), text)
	} else {
		card.Certificates, err = appendCertificates(card.GetCertificates(), text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", column, err)
	}
	return nil
}

// confirm notes how and when all addresses of a row were made sure of.
func confirm(card *customerv1.Card, confirmed, how string) error {
	if confirmed == "" && how == "" {
		return nil
	}
	if confirmed == "" || how == "" {
		return fmt.Errorf("%s and %s belong together: the day, and a word for how", confirmedColumn, howColumn)
	}
	day, err := ParseDay(confirmed)
	if err != nil {
		return err
	}
	for _, a := range card.GetAddresses() {
		a.Confirmed = &customerv1.Confirmation{When: timestamppb.New(day), How: how}
	}
	return nil
}

// ParseDay reads a day like 2026-03-31, or a time of RFC 3339.
func ParseDay(text string) (time.Time, error) {
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if day, err := time.Parse(form, text); err == nil {
			return day.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no day: write it like 2026-03-31", text)
}
