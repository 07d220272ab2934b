package keyring

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// Bounds of what is noted of files that were judged anew.
const (
	maxSignatures    = 200     // bytes of a version
	maxRecalled      = 512     // files in one request
	maxRecallReasons = 16      // of one file
	maxRecallDetails = 4 << 10 // bytes, of one file
)

// passed is the verdict of a file that is handed out: no file is recalled for that.
const passed = "clean"

// rejudge notes with which signatures the files of a ticket were judged anew, and recalls those that do not
// pass any more. A file is recalled once, and nothing here gives one back.
func (s *Service) rejudge(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.Rejudge))
	if err != nil {
		return nil, err
	}
	if err := checkRejudge(r); err != nil {
		return nil, err
	}
	stored, changed, err := s.update(ctx, r.Item, func(record *itemv1.Record) (bool, error) {
		files := event.Files(record)
		if record.State != itemv1.State_STATE_TICKETED || len(files) == 0 {
			return false, nil // nobody can open anything
		}
		recalls, err := s.recall(c, r, record, files)
		if err != nil {
			return false, err
		}
		changed := len(recalls) > 0
		if r.Signatures != "" && record.GetFindings().GetSignatures() != r.Signatures {
			if record.Findings == nil {
				record.Findings = new(itemv1.Findings)
			}
			record.Findings.Signatures, record.Findings.Judged, changed = r.Signatures, timestamppb.New(s.now()), true
		}
		if !changed {
			return false, nil
		}
		return true, s.tellRecalls(ctx, r.Item, recalls) // before the record says so
	})
	if err != nil {
		return nil, err
	}
	if changed {
		s.recalls.forget(r.Item)
	}
	return recorded(stored, changed), nil
}

func checkRejudge(r *keyringv1.Rejudge) error {
	switch {
	case len(r.Signatures) > maxSignatures || !printable(r.Signatures) || r.Signatures == event.Unjudged || r.Signatures == event.NoFiles:
		return refuse(keys.Malformed, "the version of the signatures cannot be used")
	case r.Signatures == "" && len(r.Recalled) == 0:
		return refuse(keys.Malformed, "nothing is said")
	case len(r.Recalled) > maxRecalled:
		return refuse(keys.Malformed, "more is recalled than there can be")
	}
	seen := map[int32]bool{}
	for _, file := range r.Recalled {
		switch {
		case seen[file.Packet]:
			return refuse(keys.Malformed, "a file is recalled twice")
		case !fault.ValidCode(file.Verdict) || file.Verdict == passed:
			return refuse(keys.Malformed, fmt.Sprintf("the verdict on file %d is none to recall for", file.Packet))
		case len(file.Reasons) > maxRecallReasons || slices.ContainsFunc(file.Reasons, func(code string) bool { return !fault.ValidCode(code) }):
			return refuse(keys.Malformed, "the reasons cannot be used")
		case len(file.Details) > maxRecallDetails:
			return refuse(keys.Malformed, "the details are over their limit")
		}
		seen[file.Packet] = true
	}
	return nil
}

// printable tells a word without blanks that can stand in a header.
func printable(word string) bool {
	for i := range len(word) {
		if word[i] <= ' ' || word[i] > '~' {
			return false
		}
	}
	return true
}
