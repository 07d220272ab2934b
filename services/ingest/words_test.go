package ingest

import (
	"os"
	"strings"
	"testing"
)

func TestTheContractsNameEveryStateOfAFolder(t *testing.T) {
	text, err := os.ReadFile("../../docs/decisions/0001-contracts.md")
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, state := range []State{
		Starting, OK, SignInRefused, TokenRefused, TokenAway, Unavailable, Throttled, OverQuota, NoFolder, ReadOnly, Refused, TLSFailed,
		ConnectionLost, SessionEnded, Garbled, MailInTrouble, OurSide,
	} {
		words = append(words, "`"+string(state)+"`")
	}
	if want := strings.Join(words, " ") + "."; !strings.Contains(string(text), want) {
		t.Errorf("the words of a folder's state are not %s", want)
	}
}
