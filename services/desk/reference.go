package desk

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Of a mail that is set aside nobody has a key under which words about a customer could be
// sealed so that whoever decides, and whoever looks later, can read them: it has no view, and
// what is sealed under its original dies with it. So there are reasons to choose from, and a
// reference that names nobody. Both stand readable in the audit log.

// A choice is one reason.
type choice struct{ Code, Words string }

var originalChoices = []choice{
	{"see_what_stopped_it", "To see what stopped it"},
	{"help_the_customer", "To help a customer who waits"},
	{"look_into_attack", "To look into an attack"},
	{"law", "A law or a court asks for it"},
	{otherChoice, "Something else: the reference says what"},
}

var deleteChoices = []choice{
	{"spam", "It is spam, or an attack"},
	{"not_for_us", "It is not for us"},
	{"duplicate", "We have it already"},
	{"asked_for", "Its author asks for it"},
	{"law", "A law asks for it"},
	{otherChoice, "Something else: the reference says what"},
}

const otherChoice = "other"

var referenceForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/#-]{0,39}$`)

// reference reads the reason of a form: its code, and what was typed behind a colon.
func reference(v *visit, choices []choice) (string, error) {
	code, typed := v.PostFormValue("why"), strings.TrimSpace(v.PostFormValue("reference"))
	known := false
	for _, c := range choices {
		known = known || c.Code == code
	}
	switch {
	case !known:
		return "", wrong(http.StatusBadRequest, "Choose why.")
	case typed == "" && code == otherChoice:
		return "", wrong(http.StatusBadRequest, "Give a reference that says why, such as the number of a case.")
	case typed == "":
		return code, nil
	case !referenceForm.MatchString(typed):
		return "", wrong(http.StatusBadRequest, "A reference is one word of at most 40 letters, digits and ._:/#-, such as the number of a case. It stands readable in the audit log, so it must name nobody.")
	}
	return code + ":" + typed, nil
}

// choiceOf is the choice that a reason begins with, false for a reason that is none of ours:
// what should have been sealed and is not must not be shown.
func choiceOf(reason string) (c choice, typed string, ok bool) {
	code, typed, more := strings.Cut(reason, ":")
	for _, c := range slices.Concat(originalChoices, deleteChoices) {
		if c.Code == code {
			return c, typed, !more || referenceForm.MatchString(typed)
		}
	}
	return choice{}, "", false
}

// isReference tells a reason that stands readable from one that is sealed.
func isReference(reason []byte) bool {
	_, _, ok := choiceOf(string(reason))
	return ok
}

// referenceWords makes words of a reason. Of one that is none of ours it gives what it is.
func referenceWords(reason string) string {
	c, typed, ok := choiceOf(reason)
	if !ok {
		return reason
	}
	text, _, _ := strings.Cut(c.Words, ":")
	if typed != "" {
		text += " (" + typed + ")"
	}
	return text
}
