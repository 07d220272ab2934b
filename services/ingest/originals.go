package ingest

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// rawPrefix is what the names of originals begin with.
const rawPrefix = "raw/"

// originals looks whether the vault has what records say that it has, by listings alone.
type originals struct {
	records Records
	objects Objects
	lost    func(*itemv1.Record)
	most    int // at once

	seed        maphash.Seed
	wanted      []wanted
	first, last string // of the wanted objects' names
}

// wanted is one original: whose it is, and a hash of its object's name and size.
type wanted struct {
	item  [32]byte
	print uint64
}

func (o *originals) add(ctx context.Context, record *itemv1.Record) error {
	layer := present(record)
	if layer == nil {
		return nil
	}
	if len(o.wanted) == 0 {
		o.seed, o.first, o.last = maphash.MakeSeed(), layer.GetObject(), layer.GetObject()
	}
	w := wanted{print: o.print(layer.GetObject(), layer.GetSize())}
	if n, err := hex.Decode(w.item[:], []byte(record.GetItem())); err != nil || n != len(w.item) {
		return errors.New("a record's item has no id")
	}
	o.wanted = append(o.wanted, w)
	o.first, o.last = min(o.first, layer.GetObject()), max(o.last, layer.GetObject())
	if len(o.wanted) < o.most {
		return nil
	}
	return o.settle(ctx)
}

// present is a record's original, where the vault is to have it.
func present(record *itemv1.Record) *itemv1.Layer {
	for _, layer := range record.GetLayers() {
		if layer.GetKind() == itemv1.LayerKind_LAYER_KIND_RAW && layer.GetState() == itemv1.LayerState_LAYER_STATE_PRESENT && layer.GetObject() != "" {
			return layer
		}
	}
	return nil
}

func (o *originals) print(name string, size int64) uint64 {
	return maphash.Comparable(o.seed, struct {
		name string
		size int64
	}{name, size})
}

// settle lists the vault where the wanted objects lie. What it lacks is looked at once more:
// it may have been destroyed, or completed, while the listing ran.
func (o *originals) settle(ctx context.Context) error {
	if len(o.wanted) == 0 {
		return nil
	}
	byPrint := func(a, b wanted) int {
		switch {
		case a.print < b.print:
			return -1
		case a.print > b.print:
			return 1
		}
		return bytes.Compare(a.item[:], b.item[:])
	}
	slices.SortFunc(o.wanted, byPrint)
	there := make([]bool, len(o.wanted))
	// The name before the first: a listing yields what comes after a name.
	after := o.first[:len(o.first)-1]
	for object, err := range o.objects.List(ctx, rawPrefix, after) {
		if err != nil {
			return fmt.Errorf("vault: %w", err)
		}
		if object.Name > o.last {
			break
		}
		print := o.print(object.Name, object.Size)
		at, _ := slices.BinarySearchFunc(o.wanted, print, func(w wanted, p uint64) int {
			if w.print < p {
				return -1
			}
			return 1
		})
		for ; at < len(o.wanted) && o.wanted[at].print == print; at++ {
			there[at] = true
		}
	}
	for i, w := range o.wanted {
		if there[i] {
			continue
		}
		if err := o.again(ctx, hex.EncodeToString(w.item[:])); err != nil {
			return err
		}
	}
	o.wanted = o.wanted[:0]
	return nil
}

// again asks for one original by its name.
func (o *originals) again(ctx context.Context, item string) error {
	record, err := o.records.Get(ctx, item)
	if err != nil {
		return fmt.Errorf("item record: %w", err)
	}
	layer := present(record)
	if layer == nil {
		return nil
	}
	object, err := o.objects.Stat(ctx, layer.GetObject())
	switch {
	case err != nil && !errors.Is(err, vault.ErrNotFound):
		return fmt.Errorf("vault: %w", err)
	case err != nil || object.Size != layer.GetSize():
		o.lost(record)
	}
	return nil
}
