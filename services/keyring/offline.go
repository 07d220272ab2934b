package keyring

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern-mail/postern/pkg/seal"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// ErrServing says that a keyring runs on this state.
var ErrServing = errors.New("keyring: one is running on this state: stop it first")

// Offline opens the journal while no keyring runs: for rebuilding lost streams, when
// there is nowhere yet to record an opening. Whoever uses it records that it was used. It
// opens nothing of items.
type Offline struct {
	lock *lock
	snap *snapshot
}

// OpenOffline takes the writer's lock and reads the state. A state that was never begun
// is an error: there is nothing that it could open.
func OpenOffline(ctx context.Context, disk Disk, dir string, second Store) (*Offline, error) {
	f := fence{dir}
	if err := f.prepare(); err != nil {
		return nil, err
	}
	l, err := f.tryWriter()
	if err != nil {
		return nil, err
	}
	if l == nil {
		return nil, ErrServing
	}
	k := &keeper{cell: rootCell(disk), stores: [2]Store{DiskStore(disk), second}}
	at, err := k.load(ctx)
	if err != nil {
		l.release()
		return nil, fmt.Errorf("keyring state: %w", err)
	}
	defer clear(at.plaintext)
	snap, err := parseSnapshot(at)
	if err != nil {
		l.release()
		return nil, err
	}
	return &Offline{l, snap}, nil
}

// Journal gives the session key of one journal packet. The caller clears it.
func (o *Offline) Journal(bucket string, keyPacket []byte) (*seal.SessionKey, error) {
	b := o.snap.buckets[bucket]
	if b == nil {
		return nil, fmt.Errorf("journal bucket %s: its key is not in this state", bucket)
	}
	if b.layer != itemv1.LayerKind_LAYER_KIND_JOURNAL {
		return nil, fmt.Errorf("bucket %s is not the journal's", bucket)
	}
	return b.unwrap(keyPacket)
}

// Close forgets the state and lets a keyring run.
func (o *Offline) Close() {
	o.snap.forgetAll()
	o.lock.release()
}
