package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/signet"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
)

// ErrSignature means that a checkpoint is not what its signer signed.
var ErrSignature = errors.New("audit checkpoint: the signature does not fit")

// canonical is the text that is signed. Every field stands on a line of its own
// and none of them can hold a line end.
func canonical(checkpoint *auditv1.Checkpoint) []byte {
	return fmt.Appendf(nil, "postern audit checkpoint v1\nsequence %d\ncount %d\nhead %x\ntime %s\nkey %q\n",
		checkpoint.GetSequence(), checkpoint.GetCount(), checkpoint.GetHead(),
		checkpoint.GetTime().AsTime().UTC().Format(time.RFC3339Nano), checkpoint.GetKey())
}

// Sign says where the chain stands.
func Sign(chain Chain, at time.Time, key ed25519.PrivateKey) *auditv1.Checkpoint {
	public, _ := key.Public().(ed25519.PublicKey)
	checkpoint := &auditv1.Checkpoint{
		Sequence: chain.Sequence,
		Count:    chain.Sequence, // sequences begin at 1 and have no gaps
		Head:     chain.Head[:],
		Time:     timestamppb.New(at),
		Key:      signet.Name(public),
	}
	checkpoint.Signature = ed25519.Sign(key, canonical(checkpoint))
	return checkpoint
}

// CheckSignature says whether a checkpoint was signed by a key.
func CheckSignature(checkpoint *auditv1.Checkpoint, key ed25519.PublicKey) error {
	if checkpoint.GetKey() != signet.Name(key) {
		return fmt.Errorf("%w: it names key %s, not %s", ErrSignature, checkpoint.GetKey(), signet.Name(key))
	}
	if len(checkpoint.GetHead()) != sha256.Size || !ed25519.Verify(key, canonical(checkpoint), checkpoint.GetSignature()) {
		return fmt.Errorf("%w: sequence %d", ErrSignature, checkpoint.GetSequence())
	}
	return nil
}
