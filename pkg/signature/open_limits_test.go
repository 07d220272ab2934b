package signature

import (
	"context"
	"fmt"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/postern-mail/postern/pkg/mail"
)

func TestABombEndsAtTheLimit(t *testing.T) {
	packets := literal([]byte(entity))
	raw := pgpMIME(sealed(compressed(packets), false, support()))
	for most, want := range map[int64]string{int64(len(packets)): "[]", int64(len(packets)) - 1: "[size_limit]"} {
		if got := opened(t, raw, keysOf(support()), OpenLimits{Bytes: most}); fmt.Sprint(unopened(got)) != want {
			t.Errorf("%d of %d bytes: %v", most, len(packets), unopened(got))
		}
	}
	bomb := compressed(compressed(literal(make([]byte, 70<<20))))
	if len(bomb) > 1<<20 {
		t.Fatalf("a bomb of %d bytes", len(bomb))
	}
	// A packet other than the literal must not be read whole either: here a user id.
	id := append([]byte{0xcd, 0xff, 4, 0x60, 0, 0}, make([]byte, 70<<20)...)
	for name, packets := range map[string][]byte{"literal": bomb, "user id": compressed(compressed(id))} {
		if got := opened(t, pgpMIME(sealed(packets, false, support())), keysOf(support()), OpenLimits{}); fmt.Sprint(unopened(got)) != "[size_limit]" {
			t.Errorf("%s: %v", name, unopened(got))
		}
	}
}

func TestPackedInsidePackedEndsAtTheLimit(t *testing.T) {
	packets := literal([]byte(entity))
	for range maxCompressions {
		packets = compressed(packets)
	}
	if got := opened(t, pgpMIME(sealed(packets, false, support())), keysOf(support()), OpenLimits{}); texts(got) != "the secret words" {
		t.Errorf("at the limit: %v", unopened(got))
	}
	if got := opened(t, pgpMIME(sealed(compressed(packets), false, support())), keysOf(support()), OpenLimits{}); fmt.Sprint(unopened(got)) != "[depth_limit]" {
		t.Errorf("one past it: %v", unopened(got))
	}
	var many []byte
	for range maxPackets {
		many = append(many, 0xca, 3, 'P', 'G', 'P') // a marker (RFC 9580 §5.8)
	}
	literals := literal([]byte(entity))
	if got := opened(t, pgpMIME(sealed(append(many[5:], literals...), false, support())), keysOf(support()), OpenLimits{}); texts(got) != "the secret words" {
		t.Errorf("packets at the limit: %v", unopened(got))
	}
	if got := opened(t, pgpMIME(sealed(append(many, literals...), false, support())), keysOf(support()), OpenLimits{}); fmt.Sprint(unopened(got)) != "[encrypted_message_damaged]" {
		t.Errorf("packets one past it: %v", unopened(got))
	}
}

func TestEncryptedInsideEncryptedEndsAtTheLimit(t *testing.T) {
	inner := []byte(entity)
	for range 2 {
		inner = []byte(encryptedPart("y", sealed(literal(inner), false, support())))
	}
	raw := pgpMIME(sealed(literal(inner), false, support())) // three layers
	if got := opened(t, raw, keysOf(support()), OpenLimits{Layers: 3}); texts(got) != "the secret words" || len(unopened(got)) != 0 {
		t.Errorf("at the limit: %q %v", texts(got), unopened(got))
	}
	if got := opened(t, raw, keysOf(support()), OpenLimits{Layers: 2}); texts(got) != "" || fmt.Sprint(unopened(got)) != "[depth_limit]" {
		t.Errorf("one past it: %q %v", texts(got), unopened(got))
	}
}

func TestThePrivateKeyIsUsedNoMoreThanAllowed(t *testing.T) {
	other := must(openpgp.NewEntity("Other", "", "other@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}))
	raw := pgpMIME(sealed(literal([]byte(entity)), true, other, other, support())) // nobody is named, so all are tried
	keys := keysOf(support())
	if got := opened(t, raw, keys, OpenLimits{Tries: 3}); texts(got) != "the secret words" {
		t.Errorf("at the limit: %v", unopened(got))
	}
	if got := opened(t, raw, keys, OpenLimits{Tries: 2}); fmt.Sprint(unopened(got)) != "[encrypted_message]" {
		t.Errorf("one past it: %v", unopened(got))
	}
}

func TestUnpackingEndsWithItsTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	msg := mail.Parse(pgpMIME(sealed(compressed(literal([]byte(entity))), false, support())), mail.Limits{})
	if got, _ := Open(ctx, msg, keysOf(support()), OpenLimits{}, mail.Limits{}); fmt.Sprint(unopened(got)) != "[time_limit]" {
		t.Errorf("%v", unopened(got))
	}
}
