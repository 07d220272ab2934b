// Package customers reads files of customers, as other programs export them, and decides
// what of them the directory has yet to learn. It knows CSV (RFC 4180, with a line of names)
// and vCard 3.0 and 4.0 (RFC 2426, RFC 6350). A file is taken whole or not at all.
package customers

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/postern-mail/postern/pkg/customer"
	"github.com/postern-mail/postern/pkg/mailauth/alike"
	customerv1 "github.com/postern-mail/postern/proto/customer/v1"
)

// MaxFile is the most bytes of a file that is read.
const MaxFile = 256 << 20

// maxProblems is how many of a file's problems are told at once.
const maxProblems = 20

// An Entry is one customer of a file.
type Entry struct {
	Line int
	Card *customerv1.Card
}

// Read reads a file by its name's end. Files that it speaks of, of keys, beside gives.
// Everything that is wrong is told, with its line. Passed counts what was left out: groups, and
// people with neither an address nor a number, who could not be found again by the next file.
func Read(name string, content []byte, beside func(name string) ([]byte, error)) (entries []Entry, passed int, err error) {
	var p problems
	content = bytes.TrimPrefix(content, []byte("\uFEFF"))
	if !utf8.Valid(content) {
		line := 1 + bytes.Count(content[:invalidAt(content)], []byte("\n"))
		return nil, 0, fmt.Errorf("line %d is not UTF-8: export the file as UTF-8", line)
	}
	switch end := strings.ToLower(filepath.Ext(name)); end {
	case ".csv":
		entries = readCSV(content, beside, &p)
	case ".vcf", ".vcard":
		entries = readVCards(content, &p)
	default:
		return nil, 0, fmt.Errorf("a file that ends with %q is not known: .csv and .vcf are", end)
	}
	p.check(entries)
	if err := p.err(); err != nil {
		return nil, 0, err
	}
	if len(entries) == 0 {
		return nil, 0, errors.New("there is nobody in it who has an address or a number")
	}
	return entries, p.passed, nil
}

// invalidAt is where a text stops being UTF-8.
func invalidAt(content []byte) int {
	for i := 0; i < len(content); {
		r, size := utf8.DecodeRune(content[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(content)
}

// problems are what is wrong with a file.
type problems struct {
	told   []error
	more   int
	passed int // what is left out and no problem
}

func (p *problems) add(line int, err error) {
	if len(p.told) >= maxProblems {
		p.more++
		return
	}
	for _, part := range strings.Split(err.Error(), "\n") {
		p.told = append(p.told, fmt.Errorf("line %d: %s", line, part))
	}
}

func (p *problems) err() error {
	if p.more > 0 {
		p.told = append(p.told, fmt.Errorf("and %d more", p.more))
	}
	return errors.Join(p.told...)
}

// check looks at each entry, and whether two are of one customer.
func (p *problems) check(entries []Entry) {
	first := map[alike.Form]int{}
	for _, e := range entries {
		if err := customer.Check(e.Card); err != nil {
			p.add(e.Line, err)
			continue
		}
		for _, form := range Singles(e.Card) {
			if line, twice := first[form]; twice {
				p.add(e.Line, fmt.Errorf("%s %q is that of line %d: each customer stands in a file once", form.Kind, form.Value, line))
			} else {
				first[form] = e.Line
			}
		}
	}
}

// Singles are the forms of a card that one customer alone may have.
func Singles(card *customerv1.Card) []alike.Form {
	var forms []alike.Form
	if card.GetNumber() != "" {
		forms = append(forms, customer.OfNumber(card.GetNumber()))
	}
	for _, a := range card.GetAddresses() {
		forms = append(forms, alike.Of(a.GetAddress()))
	}
	return forms
}
