package ingest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/ingest/imap"
)

// copyBuffer is how much of a streamed mail is in hand, in bytes.
const copyBuffer = 32 << 10

// sealOverhead is about what sealing adds to a small mail, in bytes.
const sealOverhead = 1 << 10

// An attempt is one try at making an item of a mail.
type attempt struct {
	service *Service
	folder  *folder
	where   mark
	mail    imap.Mail

	began  time.Time
	item   string
	object string
	to     *seal.Recipient
	sealed seal.Sealed
	digest []byte // of the raw bytes, sealed
	code   string // set-aside code; empty: what the record says of itself
	want   []byte // SHA-256 that the raw bytes must have; nil: any
	told   int64  // the size that its item has, where the server tells another than comes; 0: mail.Size
	partly bool   // what is sealed is the mail's headers alone, or nothing of it
	kind   string // what sort of sender made it, by its headers
	loops  bool   // it goes in circles, by its headers

	record *itemv1.Record // as the keyring answered
}

// begin names the attempt and finds the bucket that it is sealed to.
func (s *Service) begin(ctx context.Context, f *folder, where mark, mail imap.Mail) (*attempt, error) {
	now := s.deps.Now().UTC()
	bucket, err := s.deps.Intake.Bucket(ctx, now)
	if err != nil {
		return nil, fmt.Errorf("intake bucket: %w", err)
	}
	to, err := s.recipients.Get(bucket.Bucket, bucket.PublicKey)
	if err != nil {
		return nil, err
	}
	id, err := ulid.New(ulid.Timestamp(now), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("attempt: %w", err)
	}
	item := event.Item(f.mailbox.config.ID, f.name, where.validity, mail.UID, where.generation)
	return &attempt{
		service: s, folder: f, where: where, mail: mail, began: now, item: item, to: to,
		object: fmt.Sprintf("raw/%s/%s.%s", now.Format("2006/01/02"), item, strings.ToLower(id.String())),
	}, nil
}

// storeWhole seals and stores a mail that is in memory.
func (a *attempt) storeWhole(ctx context.Context, hands *buffers) error {
	return a.store(ctx, hands, a.mail.Size)
}

// storeHeaders is storeWhole for what there is of a mail that is not taken: its headers, or nothing.
func (a *attempt) storeHeaders(ctx context.Context, hands *buffers) error {
	a.partly = true
	return a.store(ctx, hands, int64(len(hands.plain)))
}

func (a *attempt) store(ctx context.Context, hands *buffers, size int64) (err error) {
	defer caught(&err)
	hands.sealed.Grow(int(size) + sealOverhead)
	err = a.seal(&hands.sealed, size, func(to io.Writer) (int64, error) {
		n, err := to.Write(hands.plain)
		return int64(n), err
	})
	if err != nil {
		return err
	}
	body := bytes.NewReader(hands.sealed.Bytes())
	if _, err := a.service.deps.Vault.Put(ctx, a.object, body, vault.PutOptions{Size: body.Size()}); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// storeStream seals and stores a mail as it streams in. Where the stream fails, the
// store hears of it before its end, and keeps nothing.
func (a *attempt) storeStream(ctx context.Context, from io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, in := io.Pipe()
	stored := make(chan error, 1)
	go func() {
		var err error
		defer func() {
			out.CloseWithError(errStoreEnded) // the writer must not wait for a reader that is gone
			stored <- err
		}()
		defer caught(&err)
		_, err = a.service.deps.Vault.Put(ctx, a.object, out, vault.PutOptions{})
	}()
	err := a.sealStream(in, from)
	in.CloseWithError(err) // nil: the end
	if put := <-stored; put != nil && (err == nil || isStoreEnded(err)) {
		return fmt.Errorf("store: %w", put)
	}
	return err
}

func (a *attempt) sealStream(to io.Writer, from io.Reader) (err error) {
	defer caught(&err) // or the store would wait for ever
	return a.seal(to, a.mail.Size, func(to io.Writer) (int64, error) {
		// The bare reader and writer keep io.Copy from handing over everything at once.
		return io.CopyBuffer(onlyWriter{to}, onlyReader{from}, make([]byte, copyBuffer))
	})
}

// seal encrypts what fill writes and digests it on the way. It fails unless exactly
// size bytes came.
func (a *attempt) seal(to io.Writer, size int64, fill func(io.Writer) (int64, error)) error {
	layer, err := seal.NewLayer(a.to, to)
	if err != nil {
		return err
	}
	defer layer.Discard()
	packet, err := layer.Packet()
	if err != nil {
		return err
	}
	sum := sha256.New()
	var head head
	n, err := fill(io.MultiWriter(packet, sum, &head))
	kind, loops := head.kind(a.folder.mailbox.config.Username)
	if err != nil {
		return err
	}
	a.kind, a.loops = string(kind), loops
	if n != size {
		return errSize
	}
	plain := sum.Sum(nil)
	if a.want != nil && !bytes.Equal(plain, a.want) {
		a.folder.weighed(a.mail.UID, n, plain)
		return errDiffers
	}
	if err := packet.Close(); err != nil {
		return err
	}
	if a.digest, err = layer.Beside(plain); err != nil {
		return err
	}
	a.sealed, err = layer.Close()
	return err
}

// register has the record made and says what it says.
func (a *attempt) register(ctx context.Context) (err error) {
	defer caught(&err)
	recorded, err := a.service.deps.Registrar.Register(ctx, a.request())
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	a.record = recorded.GetRecord()
	return a.service.say(ctx, a.record, a.code)
}

func (a *attempt) request() *keyringv1.Register {
	size, length := a.mail.Size, int64(0)
	if a.told > 0 {
		size, length = a.told, size
	}
	return &keyringv1.Register{
		Mailbox: a.folder.mailbox.config.ID, Folder: a.folder.name,
		UidValidity: a.where.validity, Uid: a.mail.UID, Generation: a.where.generation,
		Size: size, Length: length, InternalDate: timestamppb.New(a.mail.Received.UTC()),
		Raw: &itemv1.Layer{
			Kind: itemv1.LayerKind_LAYER_KIND_RAW, State: itemv1.LayerState_LAYER_STATE_PRESENT,
			Object: a.object, Size: a.sealed.Size, Digest: a.sealed.Digest, PacketEnds: a.sealed.PacketEnds,
			KeyPacket: a.sealed.KeyPacket, Bucket: a.sealed.Bucket, Attempted: timestamppb.New(a.began),
		},
		RawDigest:   a.digest,
		Renumbered:  a.mail.UID < a.where.renumbered,
		HeadersOnly: a.partly,
		Kind:        a.kind,
		Loops:       a.loops,
	}
}

type onlyWriter struct{ io.Writer }

type onlyReader struct{ io.Reader }

// span begins the trace of a mail, which goes on with the event.
func (a *attempt) span(ctx context.Context) (context.Context, trace.Span) {
	return a.service.tracer.Start(ctx, Stage, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("postern.item", a.item), attribute.Int64("postern.size", a.mail.Size)))
}

func endSpan(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "not taken")
	}
	span.End()
}
