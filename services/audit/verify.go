package audit

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"iter"

	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
)

// ErrAltered means that the log is not the one that a checkpoint signed.
var ErrAltered = errors.New("audit log: it is not the one that was signed")

// A Report says what a verification covered.
type Report struct {
	Entries     uint64 // linked
	Checkpoints int    // signatures and heads that fit
	Signed      uint64 // entries that the last checkpoint covers
}

// Verify links every message from the first and compares the chain with every
// checkpoint. Messages after the last checkpoint are linked but not yet signed.
func Verify(messages iter.Seq2[Message, error], checkpoints []*auditv1.Checkpoint, key ed25519.PublicKey) (Report, error) {
	var report Report
	var before uint64
	for _, checkpoint := range checkpoints {
		if err := CheckSignature(checkpoint, key); err != nil {
			return report, err
		}
		if checkpoint.GetSequence() < before {
			return report, fmt.Errorf("%w: checkpoint %d follows %d", ErrAltered, checkpoint.GetSequence(), before)
		}
		before = checkpoint.GetSequence()
	}
	chain := NewChain()
	next := 0
	meet := func() error {
		for next < len(checkpoints) && checkpoints[next].GetSequence() == chain.Sequence {
			if !bytes.Equal(checkpoints[next].GetHead(), chain.Head[:]) {
				return fmt.Errorf("%w: entry %d or one before it differs", ErrAltered, chain.Sequence)
			}
			report.Checkpoints++
			report.Signed = chain.Sequence
			next++
		}
		return nil
	}
	if err := meet(); err != nil { // a checkpoint of the empty log
		return report, err
	}
	for message, err := range messages {
		if err != nil {
			return report, fmt.Errorf("audit log: %w", err)
		}
		if err := chain.Link(message); err != nil {
			return report, err
		}
		report.Entries = chain.Sequence
		if err := meet(); err != nil {
			return report, err
		}
	}
	if next < len(checkpoints) {
		return report, fmt.Errorf("%w: a checkpoint covers %d entries and the log has %d", ErrAltered, checkpoints[next].GetSequence(), chain.Sequence)
	}
	return report, nil
}
