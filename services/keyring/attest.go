package keyring

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/keys"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// attest says which buckets are gone: from the cell, from this process, and from every
// other keyring's memory. It waits for the others and refuses where one does not let go.
func (s *Service) attest(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.Attest))
	if err != nil {
		return nil, err
	}
	if len(r.Buckets) == 0 || len(r.Buckets) > maxNamed {
		return nil, refuse(keys.Malformed, "the number of buckets is zero or over its limit")
	}
	done, err := s.night()
	if err != nil {
		return nil, err
	}
	defer done()
	current, err := s.certain(ctx)
	if err != nil {
		return nil, err
	}
	out := &keyringv1.Attested{Generation: current.generation, Cell: s.cellKind()}
	var below uint64
	for _, id := range r.Buckets {
		g := current.gone[id]
		if g == nil {
			out.Gone = append(out.Gone, &keyringv1.Gone{Bucket: id})
			continue
		}
		out.Gone = append(out.Gone, g)
		below = max(below, g.Generation)
	}
	within, cancel := context.WithTimeout(ctx, s.cfg.AttestWait.Std())
	defer cancel()
	if err := s.fence.drained(within, below); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, refuse(keys.InUse, "another keyring has not let go of an older state")
		}
		return nil, err
	}
	out.Time = nowStamp(s)
	return out, nil
}

// certain gives the state in force once neither cell nor memory of this process holds
// another.
func (s *Service) certain(ctx context.Context) (*snapshot, error) {
	current, err := s.settled(ctx)
	if err != nil {
		return nil, err
	}
	s.clearLeftover()
	return current, nil
}

func (s *Service) settled(ctx context.Context) (*snapshot, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.unsure {
		if err := s.settle(ctx); err != nil {
			return nil, err
		}
	}
	current := s.snap.Load()
	return current, s.keeper.forgotten(current.generation)
}

// cellKind names the cell and its medium for certificates.
func (s *Service) cellKind() string {
	if s.keeper.copy != nil {
		return "file:" + s.cfg.Medium + " with a live copy"
	}
	return "file:" + s.cfg.Medium
}

// status tells how the keyring is.
func (s *Service) status(context.Context, *call) (proto.Message, error) { return s.statusNow(), nil }

func (s *Service) statusNow() *keyringv1.Status {
	current := s.snap.Load()
	out := &keyringv1.Status{
		Generation: current.generation, Buckets: map[string]int32{}, Clock: nowStamp(s),
		Writer: s.writer.Load(), Cell: s.cellKind(),
	}
	for _, b := range current.buckets {
		out.Buckets[layerNames[b.layer]+"."+phaseNames[b.phase]]++
	}
	out.Buckets["gone"] = int32(len(current.gone))
	return out
}

var phaseNames = map[keyringv1.Phase]string{
	keyringv1.Phase_PHASE_OPEN: "open", keyringv1.Phase_PHASE_CLOSED: "closed", keyringv1.Phase_PHASE_RETIRING: "retiring",
}

// do does what a request asks.
func (s *Service) do(ctx context.Context, c *call) (proto.Message, error) {
	if isOpen(c.operation) {
		return s.open(ctx, c)
	}
	if c.operation == keys.OpStatus {
		if s.snap.Load() == nil {
			return nil, errors.New("no state yet")
		}
		return s.status(ctx, c)
	}
	operation, known := map[string]func(context.Context, *call) (proto.Message, error){
		keys.OpRegister: s.register, keys.OpFile: s.file, keys.OpLayers: s.layers, keys.OpTicket: s.ticket,
		keys.OpSetAside: s.setAside, keys.OpRetry: s.retryItem, keys.OpRejudge: s.rejudge, keys.OpEnrol: s.enrol, keys.OpHold: s.hold, keys.OpRelease: s.release, keys.OpClose: s.closeBuckets,
		keys.OpDestroy: s.destroy, keys.OpErase: s.erase, keys.OpForget: s.forget, keys.OpAttest: s.attest,
		keys.OpJournalled: s.journalled,
	}[c.operation]
	if !known {
		return nil, fmt.Errorf("operation %s is not served", c.operation)
	}
	if !s.writer.Load() {
		return nil, errReader
	}
	return operation(ctx, c)
}
