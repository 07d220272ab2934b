package desk

import (
	"cmp"
	"slices"

	"github.com/postern-mail/postern/pkg/mailauth"
)

// A standing is what people are told of a sender before anything else.
type standing struct {
	Class string // good, bad or unsure: the colour
	Words string
}

var senderText = map[string]standing{
	"verified":      {"good", "Verified customer"},
	"authenticated": {"good", "Sender confirmed"},
	"unverified":    {"unsure", "Nobody vouches for the sender"},
	"forged":        {"bad", "Forged sender"},
	"ambiguous":     {"bad", "Ambiguous sender"},
}

// poses are signs of somebody who wants to be taken for somebody else. A domain can vouch for
// its mail, and the mail for nobody that its reader knows.
var poses = []string{
	mailauth.ClaimsToBeOurs, mailauth.DomainLooksLikeOurs, mailauth.DomainNearOurs, mailauth.DomainUsesOurs, mailauth.NameIsOurs,
	mailauth.DomainLooksLikeKnown, mailauth.DomainNearKnown, mailauth.NameOfCustomer,
	mailauth.DomainLooksLike, mailauth.DomainMixedScripts, mailauth.AddressMixedScripts, mailauth.NameLooksLikeAddress, mailauth.NameBidi, mailauth.NameInvisible,
}

// proofs are what speaks for a sender.
var proofs = []string{mailauth.DMARCPass, mailauth.DKIMAligned, mailauth.SPFAligned, mailauth.AuthorSignatureGood, mailauth.KnownCustomer, mailauth.ARCVouched}

// standingOf judges by the verdict and by the reasons: what looks like somebody else is never
// shown in the calm colour, whoever confirms it.
func standingOf(verdict string, reasons []string) standing {
	told, known := senderText[verdict]
	if !known {
		told = standing{"unsure", "Sender not checked"}
	}
	if told.Class != "bad" && slices.ContainsFunc(poses, func(code string) bool { return slices.Contains(reasons, code) }) {
		return standing{"bad", "Looks like somebody else"}
	}
	return told
}

// byWeight puts what matters most first: signs of somebody who poses as another, then, where
// the sender is not believed, what speaks against them, and what is merely true of them last.
func byWeight(verdict string, reasons []string) []string {
	weight := func(code string) int {
		proof := slices.Contains(proofs, code)
		switch believed := senderText[verdict].Class == "good"; {
		case slices.Contains(poses, code):
			return 0
		case !believed && (code == mailauth.AlignedWithoutPolicy || code == mailauth.ReplyToUnsigned):
			return 1 // which say why what speaks for them is not enough
		case believed == proof:
			return 2
		}
		return 3
	}
	sorted := slices.Clone(reasons)
	slices.SortStableFunc(sorted, func(a, b string) int { return cmp.Compare(weight(a), weight(b)) })
	return sorted
}

func senderSentence(code string) string {
	if reason, ok := mailauth.Reasons[code]; ok && reason.Agent != "" {
		return reason.Agent
	}
	return sentence(code)
}
