package clam

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/pkg/attachment"
)

// Probe is a file that only one signature may ever find: that of its digest, which names the version of
// the signatures that are not ClamAV's own. VERSION tells nothing of those. Whoever installs them
// (deploy/clamav/rules) writes the probe's signature last, so that clamd itself says what it has loaded.
const Probe = "postern: which signatures are loaded?\n"

// probed is what the probe's signature is called: Postern.Rules. and a version.
const probed = "Postern.Rules."

// ErrSignatures says that clamd does not tell which signatures it judges with.
var ErrSignatures = errors.New("clamd: its signatures have no version")

var (
	// versions is the answer to VERSION: the engine's, the daily signatures', and their date.
	versions = regexp.MustCompile(`^ClamAV ([0-9A-Za-z._-]{1,40})(?:/([0-9]{1,9})/[ -~]{1,60})?$`)
	rules    = regexp.MustCompile(`^[0-9A-Za-z]{1,64}$`)
)

// Signatures is the version of what clamd judges with: the engine, its daily signatures, and those that
// were put beside them. It changes when an opinion may. Where clamd has neither of the two it is
// ErrSignatures, for then nothing tells a change.
func (c *Client) Signatures(ctx context.Context) (string, error) {
	reply, err := c.Version(ctx)
	if err != nil {
		return "", err
	}
	opinion, err := c.Scan(ctx, strings.NewReader(Probe))
	if err != nil {
		return "", err
	}
	return signaturesOf(reply, opinion)
}

func signaturesOf(reply string, opinion attachment.Opinion) (string, error) {
	told := versions.FindStringSubmatch(reply)
	if told == nil {
		return "", fmt.Errorf("%w: %w", ErrSignatures, errReply)
	}
	version := "clamav-" + told[1]
	if told[2] != "" {
		version += ".daily-" + told[2]
	}
	if opinion.Verdict != attachment.Clean {
		name, ours := strings.CutPrefix(strings.TrimSuffix(opinion.Signature, ".UNOFFICIAL"), probed)
		if !ours || !rules.MatchString(name) {
			return "", fmt.Errorf("%w: another signature finds the probe", ErrSignatures)
		}
		return version + ".rules-" + name, nil
	}
	if told[2] == "" {
		return "", ErrSignatures
	}
	return version, nil
}

// daily is the number of the daily signatures in a version.
var daily = regexp.MustCompile(`^clamav-[0-9A-Za-z._-]+\.daily-([0-9]{1,9})(?:\.rules-[0-9A-Za-z]+)?$`)

// Newer tells whether the daily signatures of one version are later than those of another. They are numbered;
// nothing orders engines, and rules of one's own.
func Newer(version, than string) bool {
	n, known := numberOf(version)
	other, alsoKnown := numberOf(than)
	return known && alsoKnown && n > other
}

func numberOf(version string) (int, bool) {
	found := daily.FindStringSubmatch(version)
	if found == nil {
		return 0, false
	}
	n, err := strconv.Atoi(found[1])
	return n, err == nil
}
