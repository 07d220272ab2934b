// Package alike finds names that can be taken for other names. It reduces a name to
// forms such that two names that people would confuse share one: the skeleton of Unicode
// UTS #39 §4 for what looks the same, and what is left of a domain without one of its
// letters for what is one slip away. Equal forms are all that has to be compared, so
// whoever keeps a directory can keep keyed digests of the forms and no name.
//
// It does not know which names matter: that is the caller's Circle.
package alike

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"go.mau.fi/util/confusable"
	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// A Kind says in what respect two names of one form are alike.
type Kind string

const (
	Address Kind = "address" // the same mail address
	Domain  Kind = "domain"  // the same domain
	Look    Kind = "look"    // domains that look the same
	Near    Kind = "near"    // domains with one letter more, less, another, or moved
	Name    Kind = "name"    // names of people or organisations that look the same
)

// A Form is a name reduced to what it has in common with those that are like it.
type Form struct {
	Kind  Kind
	Value string
}

// A Circle is whom somebody knows. Has must be safe for concurrent use and must tell
// whether one of their names has a form.
type Circle interface {
	Has(ctx context.Context, form Form) (bool, error)
}

// Of gives the form of an address. Case is folded in the local part too: no provider
// that people write from gives two people addresses that differ in case alone.
func Of(address string) Form {
	at := strings.LastIndexByte(address, '@')
	return Form{Address, strings.Map(lower, address[:max(at, 0)]) + "@" + ascii(address[at+1:])}
}

// lower gives a letter in small. One that is not the large form of what it would become stays
// as it is: İ is no I, and whose address has the one is not whose address has an i.
func lower(r rune) rune {
	if small := unicode.ToLower(r); unicode.ToUpper(small) == r {
		return small
	}
	return r
}

// OfDomain gives the form of a domain itself.
func OfDomain(domain string) Form { return Form{Domain, ascii(domain)} }

// Bounds of what is compared, in bytes: a domain has at most 253 octets (RFC 1035 §2.3.4),
// each of which can be a letter of several.
const (
	maxDomain = 1024
	maxName   = 1024
)

// shortest is the length of a domain's first label from which on a slip of one letter says
// anything: among shorter names such neighbours are strangers.
const shortest = 5

// Looks gives the forms in which a domain can be taken for another, by its look.
func Looks(domain string) []Form {
	if domain == "" || len(domain) > maxDomain {
		return nil
	}
	return []Form{{Look, strings.ToLower(confusable.Skeleton(shown(domain)))}}
}

// Nears gives the forms of a domain that is one slip away from others: what is left of it
// without one of its letters, and itself.
func Nears(domain string) []Form {
	if len(domain) > maxDomain {
		return nil
	}
	name := []rune(shown(domain))
	if slices.Index(name, '.') < shortest {
		return nil
	}
	forms := make([]Form, 0, len(name)+1)
	forms = append(forms, Form{Near, string(name)})
	for i := range name {
		if i > 0 && name[i] == name[i-1] {
			continue // the same as without the one before
		}
		forms = append(forms, Form{Near, string(name[:i]) + string(name[i+1:])})
	}
	return forms
}

// Names gives the forms of what a person or an organisation is called: of its words in
// order of the alphabet, for "Weber, Anna" is Anna Weber. Letters whose look depends on
// their case give two forms: "I" looks like "l", "i" does not.
func Names(name string) []Form {
	fields := words(strings.ToValidUTF8(name[:min(len(name), maxName)], ""))
	if len([]rune(strings.Join(fields, ""))) < 3 {
		return nil // initials are anybody's
	}
	form := func(reduce func(string) string) Form {
		reduced := make([]string, len(fields))
		for i, field := range fields {
			reduced[i] = reduce(field)
		}
		slices.Sort(reduced)
		return Form{Name, strings.Join(reduced, " ")}
	}
	forms := []Form{
		form(func(s string) string { return confusable.Skeleton(strings.ToLower(s)) }),
		form(func(s string) string { return strings.ToLower(confusable.Skeleton(s)) }),
	}
	return slices.Compact(forms)
}

// Person gives every form by which a directory finds somebody again: by address, and by
// the names and domains that others could take theirs for.
func Person(names, addresses []string) []Form {
	var forms []Form
	for _, address := range addresses {
		forms = append(forms, Of(address))
		forms = append(forms, Place(address[strings.LastIndexByte(address, '@')+1:])...)
	}
	for _, name := range names {
		forms = append(forms, Names(name)...)
	}
	return unique(forms)
}

// Place gives every form of a domain that is known.
func Place(domain string) []Form {
	return slices.Concat([]Form{OfDomain(domain)}, Looks(domain), Nears(domain))
}

func unique(forms []Form) []Form {
	var kept []Form
	seen := make(map[Form]bool, len(forms))
	for _, form := range forms {
		if !seen[form] {
			seen[form] = true
			kept = append(kept, form)
		}
	}
	return kept
}

// A Set is a Circle in memory.
type Set map[Form]bool

// NewSet makes a set of forms.
func NewSet(forms ...Form) Set {
	set := make(Set, len(forms))
	for _, form := range forms {
		set[form] = true
	}
	return set
}

// Has tells whether a form is there.
func (s Set) Has(_ context.Context, form Form) (bool, error) { return s[form], nil }

// ascii gives a domain in A-labels, or in lower case where it has none.
func ascii(domain string) string {
	domain = strings.TrimSuffix(domain, ".")
	if len(domain) > maxDomain {
		return domain // and nobody's: conversion takes the square of the length
	}
	// Conversion folds case, as the DNS will be asked (UTS #46 §4). Nothing does so before it.
	if converted, err := idna.Lookup.ToASCII(domain); err == nil {
		return converted
	}
	return strings.Map(lower, domain)
}

// shown is a domain as people are shown it.
func shown(domain string) string {
	domain = ascii(domain)
	if strings.Contains(domain, "xn--") {
		if unicode, err := idna.Display.ToUnicode(domain); err == nil {
			return unicode
		}
	}
	return domain
}

// words are a name's words, without what only decorates them.
func words(name string) []string {
	return strings.FieldsFunc(norm.NFKC.String(name), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '\''
	})
}
