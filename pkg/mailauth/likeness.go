package mailauth

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/postern-mail/postern/pkg/mailauth/alike"
)

// remembering keeps what a circle had, and what it could not tell, so that a judgement can
// be repeated. It serves one message.
type remembering struct {
	circle alike.Circle
	asked  map[alike.Form]bool
	found  []alike.Form
	silent []alike.Form
}

// errSilent says that a circle could not be asked.
var errSilent = errors.New("the customers cannot be asked")

func (r *remembering) Has(ctx context.Context, form alike.Form) (bool, error) {
	if has, ok := r.asked[form]; ok {
		return has, nil
	}
	if slices.Contains(r.silent, form) {
		return false, errSilent
	}
	has, err := r.circle.Has(ctx, form)
	if err != nil {
		r.silent = append(r.silent, form)
		return false, err
	}
	if r.asked == nil {
		r.asked = map[alike.Form]bool{}
	}
	r.asked[form] = has
	if has {
		r.found = append(r.found, form)
	}
	return has, nil
}

// has tells whether the customers have one of these forms. Where they cannot be asked they
// have none, and that is said.
func (j *judge) has(forms ...alike.Form) bool {
	if j.circle == nil {
		return false
	}
	for _, form := range forms {
		has, err := j.circle.Has(j.ctx, form)
		if err != nil {
			j.reason(DirectoryUnavailable)
			return false
		}
		if has {
			return true
		}
	}
	return false
}

// checkLikeness looks for signs that the author would be taken for somebody else. They
// decide nothing: a mail of a look-alike can be authentic, as the look-alike's.
func (j *judge) checkLikeness() {
	domain := j.author.domain
	if domain == "" {
		return
	}
	for _, ours := range j.options.Ours.Domains {
		j.fromHome = j.fromHome || below(domain, alike.OfDomain(ours).Value)
	}
	if j.fromHome {
		return
	}
	j.likeOurs(domain)
	j.likeCustomers(domain)
}

func (j *judge) likeOurs(domain string) {
	if len(j.options.Ours.Names)+len(j.options.Ours.Domains) == 0 {
		return
	}
	var forms []alike.Form
	for _, name := range j.options.Ours.Names {
		forms = append(forms, alike.Names(name)...)
	}
	for _, home := range j.options.Ours.Domains {
		forms = append(forms, alike.Place(home)...)
		if usesName(domain, alike.OfDomain(home).Value) {
			j.author.sign(DomainUsesOurs)
		}
	}
	if shares(forms, alike.Names(j.author.name)) {
		j.author.sign(NameIsOurs)
	}
	for _, parent := range parents(domain) {
		switch {
		case shares(forms, alike.Looks(parent)):
			j.author.sign(DomainLooksLikeOurs)
		case shares(forms, alike.Nears(parent)):
			j.author.sign(DomainNearOurs)
		}
	}
}

func (j *judge) likeCustomers(domain string) {
	if j.circle == nil || j.known() {
		return
	}
	// A first name alone is many people's.
	if names := alike.Names(j.author.name); len(names) > 0 && strings.Contains(names[0].Value, " ") && j.has(names...) {
		j.author.sign(NameOfCustomer)
	}
	for _, parent := range parents(domain) {
		if j.has(alike.OfDomain(parent)) {
			return
		}
	}
	for _, parent := range parents(domain) {
		switch {
		case j.has(alike.Looks(parent)...):
			j.author.sign(DomainLooksLikeKnown)
		case j.has(alike.Nears(parent)...):
			j.author.sign(DomainNearKnown)
		}
	}
}

// maxParents bounds the names that are compared: a domain may have 127 labels.
const maxParents = 6

// parents are a domain and what it stands below, down to two labels; of many the shortest,
// for those are what somebody registered.
func parents(domain string) []string {
	labels := strings.Split(domain, ".")
	var names []string
	for i := max(0, len(labels)-maxParents-1); i+2 <= len(labels); i++ {
		names = append(names, strings.Join(labels[i:], "."))
	}
	return names
}

// usesName reports whether a domain bears the name of another: its first label as a label
// or a word of one. Labels of fewer than five letters are words of everybody's.
func usesName(domain, home string) bool {
	name, _, _ := strings.Cut(home, ".")
	if len(name) < 5 {
		return strings.HasPrefix(domain, home+".") || strings.Contains(domain, "."+home+".")
	}
	for _, label := range strings.Split(domain, ".") {
		if label == name || slices.Contains(strings.Split(label, "-"), name) ||
			strings.HasPrefix(label, name+"-") || strings.HasSuffix(label, "-"+name) {
			return true
		}
	}
	return false
}
