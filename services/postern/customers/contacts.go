package customers

import (
	"regexp"
	"slices"
	"strings"
)

// Columns of a table of contacts, in which a name stands in parts.
const (
	givenColumn  = "given name"
	middleColumn = "middle name"
	familyColumn = "family name"
	otherColumn  = "" // what is not kept
)

var contactColumn = map[string]string{
	"first name": givenColumn, "middle name": middleColumn, "last name": familyColumn,
	"company": nameColumn, "organization name": nameColumn, "notes": notesColumn,
}

// contactAddress is a column of an address as Google Contacts ("E-mail 1 - Value") and Outlook
// ("E-mail Address", "E-mail 2 Address") name it.
var contactAddress = regexp.MustCompile(`^e-mail( [0-9]+ - value| ([0-9]+ )?address)$`)

// contacts gives the columns of a table of contacts as Google and Outlook export it in English,
// which have dozens that say nothing of a customer; nil for another table.
func contacts(heads []string) []string {
	var columns []string
	for _, head := range heads {
		name := strings.ToLower(strings.TrimSpace(head))
		switch {
		case contactAddress.MatchString(name):
			columns = append(columns, addressColumn)
		case contactColumn[name] != "" && (contactColumn[name] == nameColumn || !slices.Contains(columns, contactColumn[name])):
			columns = append(columns, contactColumn[name])
		default:
			columns = append(columns, otherColumn)
		}
	}
	for _, needed := range []string{givenColumn, familyColumn, addressColumn} {
		if !slices.Contains(columns, needed) {
			return nil
		}
	}
	return columns
}
