package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	"github.com/postern-mail/postern/services/audit"
)

var signer = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

func public() ed25519.PublicKey { return signer.Public().(ed25519.PublicKey) }

func log(entries int) []audit.Message {
	messages := make([]audit.Message, entries)
	for i := range messages {
		messages[i] = audit.Message{Sequence: uint64(i + 1), Subject: "audit.v1.Entry.keyring", Payload: fmt.Appendf(nil, "entry %d", i+1)}
	}
	return messages
}

func each(messages []audit.Message) iter.Seq2[audit.Message, error] {
	return func(yield func(audit.Message, error) bool) {
		for _, m := range messages {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func signed(t *testing.T, messages []audit.Message, at ...uint64) []*auditv1.Checkpoint {
	t.Helper()
	chain := audit.NewChain()
	var checkpoints []*auditv1.Checkpoint
	for _, sequence := range at {
		for chain.Sequence < sequence {
			if err := chain.Link(messages[chain.Sequence]); err != nil {
				t.Fatal(err)
			}
		}
		checkpoints = append(checkpoints, audit.Sign(chain, time.Unix(int64(sequence), 0), signer))
	}
	return checkpoints
}

func TestTheChainIsWhatItsDescriptionSays(t *testing.T) {
	// Written out by hand from the package's description, with nothing of it called.
	head := sha256.Sum256([]byte("postern audit chain v1"))
	content := sha256.Sum256([]byte("entry 1"))
	text := append([]byte{}, head[:]...)
	text = binary.BigEndian.AppendUint64(text, 1)
	text = binary.BigEndian.AppendUint64(text, uint64(len("audit.v1.Entry.keyring")))
	text = append(append(text, "audit.v1.Entry.keyring"...), content[:]...)
	want := sha256.Sum256(text)
	chain := audit.NewChain()
	if err := chain.Link(log(1)[0]); err != nil {
		t.Fatal(err)
	}
	if chain.Head != want {
		t.Errorf("head %x, want %x", chain.Head, want)
	}
}

func TestAnUntouchedLogVerifies(t *testing.T) {
	messages := log(20)
	report, err := audit.Verify(each(messages), signed(t, messages, 5, 12, 17), public())
	if err != nil {
		t.Fatal(err)
	}
	if want := (audit.Report{Entries: 20, Checkpoints: 3, Signed: 17}); report != want {
		t.Errorf("report %+v, want %+v", report, want)
	}
}

func TestEveryChangedByteOfASignedEntryIsCaught(t *testing.T) {
	messages := log(6)
	checkpoints := signed(t, messages, 6)
	for i := range messages {
		for j := range messages[i].Payload {
			changed := log(6)
			changed[i].Payload[j] ^= 1
			if _, err := audit.Verify(each(changed), checkpoints, public()); !errors.Is(err, audit.ErrAltered) {
				t.Errorf("entry %d byte %d: %v", i+1, j, err)
			}
		}
		changed := log(6)
		changed[i].Subject = "audit.v1.Entry.desk"
		if _, err := audit.Verify(each(changed), checkpoints, public()); !errors.Is(err, audit.ErrAltered) {
			t.Errorf("entry %d under another service: %v", i+1, err)
		}
	}
}

func TestALogThatLostEntriesIsCaught(t *testing.T) {
	messages := log(10)
	checkpoints := signed(t, messages, 8)
	for name, c := range map[string]struct {
		left []audit.Message
		want error
	}{
		"one in the middle": {append(log(3), messages[4:]...), audit.ErrGap},
		"the first":         {messages[1:], audit.ErrGap},
		"the end":           {messages[:7], audit.ErrAltered},
		"all":               {nil, audit.ErrAltered},
	} {
		if _, err := audit.Verify(each(c.left), checkpoints, public()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	swapped := log(10)
	swapped[2].Payload, swapped[3].Payload = swapped[3].Payload, swapped[2].Payload
	if _, err := audit.Verify(each(swapped), checkpoints, public()); !errors.Is(err, audit.ErrAltered) {
		t.Errorf("two swapped: %v", err)
	}
}

func TestEveryChangedByteOfACheckpointIsCaught(t *testing.T) {
	messages := log(4)
	whole, err := proto.Marshal(signed(t, messages, 4)[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		var checkpoint auditv1.Checkpoint
		if proto.Unmarshal(changed, &checkpoint) != nil {
			continue // caught before it is one
		}
		if _, err := audit.Verify(each(messages), []*auditv1.Checkpoint{&checkpoint}, public()); err == nil {
			t.Errorf("byte %d of %d changed and nothing was noticed", i, len(whole))
		}
	}
}

func TestACheckpointOfAnotherKeyIsRefused(t *testing.T) {
	messages := log(4)
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	if _, err := audit.Verify(each(messages), signed(t, messages, 4), other.Public().(ed25519.PublicKey)); !errors.Is(err, audit.ErrSignature) {
		t.Errorf("error %v", err)
	}
}

func BenchmarkLink(b *testing.B) {
	payload := bytes.Repeat([]byte{1}, 600)
	chain := audit.NewChain()
	for i := range uint64(b.N) {
		if err := chain.Link(audit.Message{Sequence: i + 1, Subject: "audit.v1.Entry.keyring", Payload: payload}); err != nil {
			b.Fatal(err)
		}
	}
}
