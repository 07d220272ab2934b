// Package readingtest gives tests a sealed mail and a keyring that opens it.
package readingtest

import (
	"bytes"
	"context"
	"io"
	"sync/atomic"
	"testing"

	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// A Store is a vault that holds one object under every name and counts its readings.
type Store struct {
	vault.Store
	Content []byte
	Reads   atomic.Int32
}

// Get is vault.Store.Get.
func (s *Store) Get(context.Context, string) (io.ReadCloser, vault.Object, error) {
	s.Reads.Add(1)
	return io.NopCloser(bytes.NewReader(s.Content)), vault.Object{Size: int64(len(s.Content))}, nil
}

// An Opener gives the key of one layer, or Refuse.
type Opener struct {
	Layer  *itemv1.Layer
	Refuse error
	Asked  atomic.Int32
	bucket *open.BucketKey
}

// Open is reading.Opener.Open.
func (o *Opener) Open(_ context.Context, ask open.Ask) (*open.Key, error) {
	o.Asked.Add(1)
	if o.Refuse != nil {
		return nil, o.Refuse
	}
	session, err := o.bucket.Unwrap(o.Layer.GetKeyPacket())
	if err != nil {
		return nil, err
	}
	return &open.Key{Item: ask.Item, Session: session, Layer: o.Layer}, nil
}

// Seal seals a mail as ingest would.
func Seal(t testing.TB, raw string) (*Store, *Opener) {
	t.Helper()
	bucket, err := open.GenerateBucketKey("intake.raw.20260101.0")
	if err != nil {
		t.Fatal(err)
	}
	ciphertext, made, err := seal.Bytes(bucket.Recipient(), []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	layer := &itemv1.Layer{
		Kind: itemv1.LayerKind_LAYER_KIND_RAW, State: itemv1.LayerState_LAYER_STATE_PRESENT, Object: "raw/x",
		Size: made.Size, Digest: made.Digest, PacketEnds: made.PacketEnds, KeyPacket: made.KeyPacket,
	}
	return &Store{Content: ciphertext}, &Opener{Layer: layer, bucket: bucket}
}
