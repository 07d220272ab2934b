package doctor

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/seal"
)

func TestWhatReadsLikeTextIsNotTakenForCiphertext(t *testing.T) {
	for name, head := range map[string]string{
		"a mail":                  "Received: from a.example\r\nFrom: a@example.org\r\nSubject: hello there, how are you\r\n\r\nWords.\r\n",
		"a mail behind a header":  "\xd2 From: a@example.org\r\nSubject: hello there, how are you today\r\n\r\nWords, and 4111111111111111.\r\n",
		"base64 behind a header":  "\xd2" + strings.Repeat("TWFpbA==", 200),
		"nothing":                 "",
		"a header and no packet":  "\xd2\x01",
		"bytes of another packet": "\xcb" + strings.Repeat("\x00\xff\x80", 100),
	} {
		if ciphertext([]byte(head)) {
			t.Errorf("%s is taken for ciphertext", name)
		}
	}
}

func TestEveryPacketThatWeSealIsTakenForCiphertext(t *testing.T) {
	session, err := seal.NewSessionKey()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Clear()
	for _, size := range []int{0, 1, 20, 4000, 100_000} {
		words := bytes.Repeat([]byte("e"), size)
		sealed, err := seal.Under(session, words)
		if err != nil {
			t.Fatal(err)
		}
		if !ciphertext(sealed[:min(len(sealed), 4096)]) {
			t.Errorf("%d sealed bytes are not: %x", size, sealed[:min(len(sealed), 64)])
		}
	}
	// Bytes at random are what all of them look like behind their header.
	var drawn [4096]byte
	rand.Read(drawn[:]) //nolint:errcheck // crypto/rand.Read never fails
	drawn[0] = 0xd2
	if !ciphertext(drawn[:]) {
		t.Error("bytes at random are not")
	}
}
