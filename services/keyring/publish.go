package keyring

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

const layerJournal = itemv1.LayerKind_LAYER_KIND_JOURNAL

// public is a bucket as the world sees it. An intake bucket takes mail on its day.
func public(b *bucket) *keyringv1.PublicBucket {
	out := &keyringv1.PublicBucket{Bucket: b.id, PublicKey: b.public, Opens: timestamppb.New(b.created)}
	last, err := time.Parse(dayForm, b.lastDay)
	if err != nil {
		return out
	}
	if b.class == classIntake {
		out.Opens = timestamppb.New(last)
	}
	out.Closes = timestamppb.New(last.Add(day))
	return out
}
