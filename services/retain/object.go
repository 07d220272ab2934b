package retain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/vault"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// objectLimit bounds what is put into the vault and read back: plans and certificates.
const objectLimit = 1 << 30

// storeLong puts a list that is too long to ride in its event into the vault.
func (s *Service) storeLong(ctx context.Context, plan *retentionv1.Planned) error {
	if len(plan.GetTargets()) <= maxRiding {
		return nil
	}
	content, err := proto.Marshal(plan)
	if err == nil && len(content) > objectLimit {
		err = fmt.Errorf("its list has over %d bytes", objectLimit)
	}
	if err != nil {
		return fmt.Errorf("plan %s: %w", plan.GetPlan(), err)
	}
	name := "plans/" + plan.GetPlan()[1:]
	if _, err := s.vault.Put(ctx, name, bytes.NewReader(content), vault.PutOptions{Size: int64(len(content))}); err != nil && !errors.Is(err, vault.ErrExists) {
		return fmt.Errorf("plan %s: %w", plan.GetPlan(), err)
	}
	return nil
}

// brief is a plan as it travels: a long list stays in the vault, where the hash holds it.
func brief(plan *retentionv1.Planned) *retentionv1.Planned {
	if len(plan.GetTargets()) <= maxRiding {
		return plan
	}
	short, _ := proto.Clone(plan).(*retentionv1.Planned)
	short.Targets, short.Object = nil, "plans/"+plan.GetPlan()[1:]
	return short
}

// whole gives a plan with its list, wherever that is, and refuses one whose list is not
// the one that was hashed.
func (s *Service) whole(ctx context.Context, plan *retentionv1.Planned) (*retentionv1.Planned, error) {
	full := plan
	if plan.GetObject() != "" {
		content, err := readAll(ctx, s.vault, plan.GetObject())
		if err != nil {
			return nil, fmt.Errorf("plan %s: %w", plan.GetPlan(), err)
		}
		full = new(retentionv1.Planned)
		if err := proto.Unmarshal(content, full); err != nil {
			return nil, fmt.Errorf("plan %s: %w", plan.GetPlan(), err)
		}
	}
	if !bytes.Equal(keys.PlanHash(full.GetBuckets(), full.GetTargets()), plan.GetHash()) {
		return nil, fmt.Errorf("plan %s: its list is not the one that was planned", plan.GetPlan())
	}
	return full, nil
}

func readAll(ctx context.Context, store vault.Store, name string) ([]byte, error) {
	body, _, err := store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, objectLimit+1))
	if err == nil && len(content) > objectLimit {
		err = fmt.Errorf("object of over %d bytes", objectLimit)
	}
	return content, err
}
