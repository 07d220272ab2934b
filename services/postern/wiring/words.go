package wiring

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/pii"
)

// checkWords refuses words that nothing will ever match: a rule with one would be silent
// for ever, which nobody would see.
func (c Config) checkWords() error {
	var problems []error
	among := func(key string, said, known []string) {
		for _, word := range said {
			if !slices.Contains(known, word) {
				problems = append(problems, fmt.Errorf("%s: %q is none of %s", key, word, strings.Join(known, ", ")))
			}
		}
	}
	// Who lists no mailboxes reads none, and cannot tell which there are.
	mailboxes := func(key string, said ...string) {
		if ids := c.mailboxIDs(); len(ids) > 0 {
			among(key, said, ids)
		}
	}
	among("sanitize.leave", c.Sanitize.Leave, words(pii.Kinds))
	among("sanitize.masks", slices.Sorted(maps.Keys(c.Sanitize.Masks)), words(pii.Kinds))
	for _, kind := range slices.Sorted(maps.Keys(c.Sanitize.Masks)) {
		among("sanitize.masks."+kind, []string{c.Sanitize.Masks[kind]}, words([]pii.Action{pii.Hide, pii.LastFour, pii.Leave}))
		if slices.Contains(c.Sanitize.Leave, kind) {
			problems = append(problems, fmt.Errorf("sanitize.masks: %s stands in sanitize.leave too: say it in one place", kind))
		}
	}
	for _, region := range c.Sanitize.Regions {
		if !pii.KnownRegion(region) {
			problems = append(problems, fmt.Errorf("sanitize.regions: %q is no country whose numbers are known: write two capitals, such as DE", region))
		}
	}
	for i, rule := range c.Retention.Rules {
		key := fmt.Sprintf("retention.rules, the %d. rule, ", i+1)
		mailboxes(key+"mailbox", rule.Mailbox...)
		among(key+"sender", rule.Sender, words(mailauth.Verdicts))
		among(key+"scan", rule.Scan, words(attachment.Verdicts()))
		among(key+"kind", rule.Kind, words(mail.Kinds))
	}
	problems = append(problems, c.Verify.Ours.Check())
	named := map[string]bool{}
	for _, boundary := range c.Verify.Boundaries {
		id := boundary.Mailbox
		switch {
		case id == "":
			problems = append(problems, errors.New(`verify.boundaries: an entry names no mailbox: give the id of one, or "*" for all others`))
		case named[id]:
			problems = append(problems, fmt.Errorf("verify.boundaries: mailbox %q stands there twice", id))
		case id != "*":
			mailboxes("verify.boundaries, mailbox", id)
		}
		named[id] = true
	}
	return errors.Join(problems...)
}

func (c Config) mailboxIDs() []string {
	var ids []string
	for _, box := range c.Ingest.Mailboxes {
		ids = append(ids, box.ID)
	}
	return ids
}

func words[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, value := range values {
		out[i] = string(value)
	}
	return out
}
