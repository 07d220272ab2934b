package erase

import (
	"context"
	"errors"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/internal/right"
	"github.com/postern-mail/postern/pkg/vault/memory"
)

type heap struct{ store *memory.Store }

// Memory is the eraser of a vault in memory.
func Memory(store *memory.Store) Eraser { return heap{store} }

func (h heap) Erase(ctx context.Context, name string) (Report, error) {
	if err := vault.CheckName(name); err != nil {
		return Report{}, err
	}
	return eraseAll(ctx,
		func(ctx context.Context) (Report, error) {
			lockedUntil, err := h.store.Remove(ctx, right.Destroy{}, name)
			switch {
			case errors.Is(err, vault.ErrNotFound):
				return Report{}, nil
			case err != nil || !lockedUntil.IsZero():
				return Report{}, err
			}
			return Report{Versions: 1}, nil
		},
		func(ctx context.Context) (Report, error) { return h.Remains(ctx, name) })
}

func (h heap) Remains(ctx context.Context, name string) (Report, error) {
	marks, err := h.store.Marks(ctx, name)
	switch {
	case errors.Is(err, vault.ErrNotFound):
		return Report{Gone: true}, nil
	case err != nil:
		return Report{}, err
	}
	left := Report{Versions: 1}
	if marks.RetainUntil.After(h.store.Now()) { // a date that is over keeps nothing
		left.LockedUntil = marks.RetainUntil
	}
	return left, nil
}

// Sweep finds nothing: an unfinished body is in nobody's memory but its writer's.
func (h heap) Sweep(_ context.Context, prefix string, _ time.Time) (int, error) {
	return 0, vault.CheckPrefix(prefix)
}
