// Package audit keeps the record of who did what provable: it links the
// entries of the AUDIT stream into a chain of hashes and signs where the chain
// stands. It reads ids and codes; it opens nothing.
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// A Head is the chain's hash after an entry.
type Head [sha256.Size]byte

// A Message is one message of the AUDIT stream.
type Message struct {
	Sequence uint64
	Subject  string
	Payload  []byte
}

// start is the head of the empty chain.
var start = Head(sha256.Sum256([]byte("postern audit chain v1")))

// ErrGap means that entries are missing from the log.
var ErrGap = errors.New("audit log: entries are missing")

// A Chain is how far the log has been linked. Its zero value is not usable; begin with NewChain.
type Chain struct {
	Sequence uint64 // of the last entry linked
	Head     Head
}

// NewChain links nothing yet.
func NewChain() Chain { return Chain{Head: start} }

// Link adds the next entry. Sequences have no gaps: the stream neither deletes
// nor purges, so a gap means that somebody did.
func (c *Chain) Link(message Message) error {
	if message.Sequence != c.Sequence+1 {
		return fmt.Errorf("%w: %d follows %d", ErrGap, message.Sequence, c.Sequence)
	}
	hash := sha256.New()
	var number [8]byte
	hash.Write(c.Head[:])
	binary.BigEndian.PutUint64(number[:], message.Sequence)
	hash.Write(number[:])
	binary.BigEndian.PutUint64(number[:], uint64(len(message.Subject)))
	hash.Write(number[:])
	hash.Write([]byte(message.Subject))
	content := sha256.Sum256(message.Payload)
	hash.Write(content[:])
	c.Sequence = message.Sequence
	hash.Sum(c.Head[:0])
	return nil
}
