package keyring

import (
	"context"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// A recall is a file of a view, and the act of recalling it.
type recall struct {
	packet int32
	act    *auditv1.Act
}

// recall adds what a record does not recall yet, and gives an act for each.
func (s *Service) recall(c *call, r *keyringv1.Rejudge, record *itemv1.Record, files []int32) ([]recall, error) {
	var recalls []recall
	for _, file := range r.Recalled {
		if !slices.Contains(files, file.Packet) {
			return nil, refuse(keys.Malformed, "what is recalled is no file of the view")
		}
		if event.RecalledFile(record, file.Packet) != nil {
			continue // first wins
		}
		file = proto.CloneOf(file)
		file.Time, file.Signatures = timestamppb.New(s.now()), r.Signatures
		record.Recalled = append(record.Recalled, file)
		a := s.act(c, "recall", "")
		a.Items, a.Ticket, a.Layer, a.Purpose = []string{r.Item}, record.Ticket, view, file.Verdict
		a.Value = file.Index // as downloads have it
		recalls = append(recalls, recall{file.Packet, a})
	}
	return recalls, nil
}

// tellRecalls writes down what is about to be recalled. While this process lives each is told once: where the
// record could not be written after it, the next try says no more than was said.
func (s *Service) tellRecalls(ctx context.Context, item string, recalls []recall) error {
	recalls = s.recalls.untold(item, recalls)
	var acts []*auditv1.Act
	for _, r := range recalls {
		acts = append(acts, r.act)
	}
	if err := s.scribe.append(ctx, acts...); err != nil {
		return err
	}
	s.recalls.note(item, recalls)
	return nil
}

// toldRecalls are recalls that are in AUDIT and that their records are not known to have.
type toldRecalls struct {
	mu   sync.Mutex
	told map[string]map[int32]string // verdicts, by item and packet
}

func (t *toldRecalls) untold(item string, recalls []recall) []recall {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(recalls, func(r recall) bool { return t.told[item][r.packet] == r.act.GetPurpose() })
}

func (t *toldRecalls) note(item string, recalls []recall) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range recalls {
		if t.told[item] == nil {
			t.told[item] = map[int32]string{}
		}
		t.told[item][r.packet] = r.act.GetPurpose()
	}
}

func (t *toldRecalls) forget(item string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.told, item)
}
