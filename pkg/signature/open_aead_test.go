package signature

import (
	"bytes"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Messages of RFC 9580 §5.13.2 and §5.14, which show at every chunk whether they are as they were encrypted.
func TestMessagesOfTheNewFormAreOpenedAndNothingOfAChangedOneGetsOut(t *testing.T) {
	for _, mode := range []packet.AEADMode{packet.AEADModeEAX, packet.AEADModeOCB, packet.AEADModeGCM} {
		config := &packet.Config{AEADConfig: &packet.AEADConfig{DefaultMode: mode}}
		var out bytes.Buffer
		session := bytes.Repeat([]byte{7}, 32)
		key, _ := support().EncryptionKey(time.Now())
		if err := packet.SerializeEncryptedKeyAEADwithHiddenOption(&out, key.PublicKey, packet.CipherAES256, true, session, false, config); err != nil {
			t.Fatal(err)
		}
		w := must(packet.SerializeSymmetricallyEncrypted(&out, packet.CipherAES256, true, packet.CipherSuite{Cipher: packet.CipherAES256, Mode: mode}, session, config))
		must(w.Write(literal([]byte(entity))))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		message := out.Bytes()
		if got := opened(t, pgpMIME(message), keysOf(support()), OpenLimits{}); texts(got) != "the secret words" {
			t.Errorf("mode %d: %q %v", mode, texts(got), unopened(got))
		}
		for i := len(message) - 60; i < len(message); i++ {
			changed := bytes.Clone(message)
			changed[i] ^= 1
			if got := opened(t, pgpMIME(changed), keysOf(support()), OpenLimits{}); texts(got) != "" {
				t.Errorf("mode %d, byte %d of %d: %q", mode, i, len(message), texts(got))
			}
			if got := opened(t, pgpMIME(message[:i]), keysOf(support()), OpenLimits{}); texts(got) != "" {
				t.Errorf("mode %d, cut to %d of %d: %q", mode, i, len(message), texts(got))
			}
		}
	}
}
