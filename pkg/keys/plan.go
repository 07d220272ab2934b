package keys

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// Targets gives what a plan to destroy some buckets has to say of one record: a target
// for each layer that one of them wraps, or that the same plan has taken already. Layers
// of a held item are in the hold's bucket and so are no targets of others.
func Targets(record *itemv1.Record, buckets map[string]bool, plan string) []*retentionv1.Target {
	var out []*retentionv1.Target
	for _, l := range record.GetLayers() {
		if !buckets[l.Bucket] {
			continue
		}
		taken := l.State == itemv1.LayerState_LAYER_STATE_ERASED && plan != "" && l.Plan == plan
		if l.State != itemv1.LayerState_LAYER_STATE_PRESENT && !taken {
			continue
		}
		past := slices.Sorted(slices.Values(l.PastBuckets))
		out = append(out, &retentionv1.Target{
			Item: record.Item, Layer: l.Kind, Object: l.Object, Bucket: l.Bucket, PastBuckets: past, Due: l.Due,
		})
	}
	return out
}

// SortTargets brings targets into the order of plans: by item, then by layer.
func SortTargets(targets []*retentionv1.Target) {
	slices.SortFunc(targets, func(a, b *retentionv1.Target) int {
		if c := strings.Compare(a.Item, b.Item); c != 0 {
			return c
		}
		return int(a.Layer) - int(b.Layer)
	})
}

// PlanHash is SHA-256 over the canonical list of a plan: the buckets in order of their
// names, then the targets in the order of SortTargets, every field after its length. It is
// the same whatever order they are given in, and changes with any of them.
func PlanHash(buckets []string, targets []*retentionv1.Target) []byte {
	h := sha256.New()
	var n [8]byte
	number := func(v uint64) {
		binary.BigEndian.PutUint64(n[:], v)
		h.Write(n[:])
	}
	text := func(s string) {
		number(uint64(len(s)))
		h.Write([]byte(s))
	}
	text("postern retention.v1.Planned")
	number(uint64(len(buckets)))
	for _, b := range slices.Sorted(slices.Values(buckets)) {
		text(b)
	}
	sorted := slices.Clone(targets)
	SortTargets(sorted)
	number(uint64(len(sorted)))
	for _, t := range sorted {
		text(t.Item)
		number(uint64(t.Layer))
		text(t.Object)
		text(t.Bucket)
		past := slices.Sorted(slices.Values(t.PastBuckets))
		number(uint64(len(past)))
		for _, b := range past {
			text(b)
		}
		number(uint64(t.Due.GetSeconds()))
		number(uint64(t.Due.GetNanos()))
	}
	return h.Sum(nil)
}
