package keyring

import (
	"crypto/rand"
	"fmt"
	"maps"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// A snapshot is the state of one generation. It does not change; a change makes another one.
type snapshot struct {
	generation uint64
	buckets    map[string]*bucket
	periods    map[string]*period
	gone       map[string]*keyringv1.Gone
	// open has the open bucket of each place, the highest serial. It is nil in a snapshot
	// that may still be changed.
	open map[place]*bucket
}

// A bucket is one key and what it is for. Only the phase differs between snapshots.
type bucket struct {
	id      string
	class   string
	layer   itemv1.LayerKind
	lastDay string // yyyymmdd
	serial  int32
	phase   keyringv1.Phase
	created time.Time
	*material
}

// material is a bucket's key, shared by all snapshots and cleared once.
type material struct {
	private, public []byte
	once            sync.Once
	key             *open.BucketKey
	err             error
}

// period holds the keys of one year that are not for mail itself.
type period struct {
	name                       string
	pseudonym, digest, searchs []byte
}

func newMaterial(id string) (*material, error) {
	key, err := open.GenerateBucketKey(id)
	if err != nil {
		return nil, err
	}
	private, err := key.Private()
	if err != nil {
		return nil, err
	}
	m := &material{private: private, public: key.Recipient().PublicKey(), key: key}
	m.once.Do(func() {})
	return m, nil
}

// parsed reads the private key when it is first needed.
func (b *bucket) parsed() (*open.BucketKey, error) {
	b.once.Do(func() { b.key, b.err = open.ParseBucketKey(b.id, b.private) })
	return b.key, b.err
}

func (b *bucket) unwrap(keyPacket []byte) (*seal.SessionKey, error) {
	key, err := b.parsed()
	if err != nil {
		return nil, err
	}
	return key.Unwrap(keyPacket)
}

func (b *bucket) wrap(session *seal.SessionKey) ([]byte, error) {
	key, err := b.parsed()
	if err != nil {
		return nil, err
	}
	return key.Recipient().Wrap(session)
}

// forget overwrites the key in memory. Nobody may be using it.
func (m *material) forget() {
	m.once.Do(func() { m.err = open.ErrBucketKey })
	m.key.Clear()
	clear(m.private)
}

func (b *bucket) with(phase keyringv1.Phase) *bucket {
	c := *b
	c.phase = phase
	return &c
}

func (p *period) forget() {
	clear(p.pseudonym)
	clear(p.digest)
	clear(p.searchs)
}

func newPeriod(name string) *period {
	p := &period{name: name, pseudonym: make([]byte, 32), digest: make([]byte, 32), searchs: make([]byte, 32)}
	for _, key := range [][]byte{p.pseudonym, p.digest, p.searchs} {
		rand.Read(key) //nolint:errcheck // crypto/rand.Read never fails
	}
	return p
}

func emptySnapshot(generation uint64) *snapshot {
	return &snapshot{generation: generation, buckets: map[string]*bucket{}, periods: map[string]*period{}, gone: map[string]*keyringv1.Gone{}}
}

// clone gives a snapshot that may be changed.
func (s *snapshot) clone() *snapshot {
	return &snapshot{generation: s.generation, buckets: maps.Clone(s.buckets), periods: maps.Clone(s.periods), gone: maps.Clone(s.gone)}
}

// freeze ends the changing of a snapshot.
func (s *snapshot) freeze() *snapshot {
	open := make(map[place]*bucket, len(s.buckets))
	for _, b := range s.buckets {
		if best := open[b.place()]; b.phase == keyringv1.Phase_PHASE_OPEN && (best == nil || b.serial > best.serial) {
			open[b.place()] = b
		}
	}
	s.open = open
	return s
}

// marshal gives the state as it is encrypted. The caller clears it.
func (s *snapshot) marshal(now time.Time) ([]byte, error) {
	state := &keyringv1.State{Generation: s.generation, Written: timestamppb.New(now)}
	for _, b := range s.buckets {
		state.Buckets = append(state.Buckets, &keyringv1.Bucket{
			Id: b.id, Class: b.class, Layer: b.layer, LastDay: b.lastDay, Serial: b.serial, Phase: b.phase,
			PrivateKey: b.private, PublicKey: b.public, Created: timestamppb.New(b.created),
		})
	}
	for _, p := range s.periods {
		state.Periods = append(state.Periods, &keyringv1.Period{
			Name: p.name, PseudonymKey: p.pseudonym, DigestKey: p.digest, SearchKey: p.searchs,
		})
	}
	for _, g := range s.gone {
		state.Gone = append(state.Gone, g)
	}
	out, err := proto.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	if len(out) > maxState-64 {
		clear(out)
		return nil, fmt.Errorf("state: over %d bytes", maxState)
	}
	return out, nil
}

// parseSnapshot reads a state. The keys are copies: the plaintext may be cleared.
func parseSnapshot(at *stateAt) (*snapshot, error) {
	var state keyringv1.State
	if err := proto.Unmarshal(at.plaintext, &state); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	if state.Generation != at.generation {
		return nil, fmt.Errorf("state: is of generation %d, its cell says %d", state.Generation, at.generation)
	}
	s := emptySnapshot(state.Generation)
	for _, b := range state.Buckets {
		s.buckets[b.Id] = &bucket{
			id: b.Id, class: b.Class, layer: b.Layer, lastDay: b.LastDay, serial: b.Serial, phase: b.Phase,
			created: b.Created.AsTime(), material: &material{private: b.PrivateKey, public: b.PublicKey},
		}
	}
	for _, p := range state.Periods {
		s.periods[p.Name] = &period{name: p.Name, pseudonym: p.PseudonymKey, digest: p.DigestKey, searchs: p.SearchKey}
	}
	for _, g := range state.Gone {
		s.gone[g.Bucket] = g
	}
	return s.freeze(), nil
}

// forgetAll overwrites every key of a snapshot that nobody uses any more.
func (s *snapshot) forgetAll() {
	for _, b := range s.buckets {
		b.forget()
	}
	for _, p := range s.periods {
		p.forget()
	}
}
