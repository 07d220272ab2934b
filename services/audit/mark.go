package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/wholefile"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
)

// A Mark keeps the last checkpoint beside the key that signed it, away from the bus: who
// cuts the end off both the log and its checkpoints cuts what the mark remembers.
type Mark struct{ path string }

// MarkOf names the mark of a key file.
func MarkOf(key string) Mark { return Mark{key + ".last"} }

// Read gives the checkpoint that was kept, nil where there is none.
func (m Mark) Read() (*auditv1.Checkpoint, error) {
	text, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("audit mark: %w", err)
	}
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	checkpoint := new(auditv1.Checkpoint)
	if err == nil {
		err = proto.Unmarshal(data, checkpoint)
	}
	if err != nil || len(data) == 0 {
		return nil, fmt.Errorf("%w: the mark %s is garbled or empty; put back the one that was kept of it", ErrSignature, m.path)
	}
	return checkpoint, nil
}

// Keep remembers a checkpoint in the place of the one before.
func (m Mark) Keep(checkpoint *auditv1.Checkpoint) error {
	data, err := proto.Marshal(checkpoint)
	if err != nil {
		return fmt.Errorf("audit mark: %w", err)
	}
	text := base64.StdEncoding.EncodeToString(data) + "\n"
	if err := wholefile.Put(m.path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("audit mark: %w", err)
	}
	return nil
}

// SetAside puts a mark away under another name, where a log is known to have lost its end:
// after a rebuilding from a journal that was behind it.
func (m Mark) SetAside(suffix string) error {
	err := os.Rename(m.path, m.path+"."+suffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// With puts what the mark remembers among the checkpoints of the log, in its place.
func (m Mark) With(checkpoints []*auditv1.Checkpoint, key ed25519.PublicKey) ([]*auditv1.Checkpoint, error) {
	kept, err := m.Read()
	if err != nil || kept == nil {
		return checkpoints, err
	}
	if err := CheckSignature(kept, key); err != nil {
		return nil, fmt.Errorf("the mark %s: %w", m.path, err)
	}
	at, _ := slices.BinarySearchFunc(checkpoints, kept.GetSequence(), func(c *auditv1.Checkpoint, sequence uint64) int {
		switch {
		case c.GetSequence() < sequence:
			return -1
		case c.GetSequence() > sequence:
			return 1
		}
		return 0
	})
	return slices.Insert(slices.Clone(checkpoints), at, kept), nil
}
