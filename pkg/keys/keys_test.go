package keys_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

type fixedClock time.Time

func (c fixedClock) Now() time.Time { return time.Time(c) }

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newSigner(t testing.TB) *keys.Signer {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, _ := pair.Seed()
	s, err := keys.NewSigner(seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestARequestIsSignedInEveryField(t *testing.T) {
	s, other := newSigner(t), newSigner(t)
	sign := func() *keyringv1.Signed {
		signed, err := s.Sign("register", []byte("body"), noon)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	if err := keys.Verify(sign()); err != nil {
		t.Fatalf("unchanged: %v", err)
	}
	for name, change := range map[string]func(*keyringv1.Signed){
		"caller":         func(r *keyringv1.Signed) { r.Caller = other.Public() },
		"operation":      func(r *keyringv1.Signed) { r.Operation = "destroy" },
		"nonce":          func(r *keyringv1.Signed) { r.Nonce[3] ^= 1 },
		"no nonce":       func(r *keyringv1.Signed) { r.Nonce = nil },
		"seconds":        func(r *keyringv1.Signed) { r.Time.Seconds++ },
		"nanoseconds":    func(r *keyringv1.Signed) { r.Time.Nanos++ },
		"no time":        func(r *keyringv1.Signed) { r.Time = nil },
		"body":           func(r *keyringv1.Signed) { r.Body = append(r.Body, 0) },
		"moved boundary": func(r *keyringv1.Signed) { r.Operation, r.Body = "registerb", []byte("ody") },
		"signature":      func(r *keyringv1.Signed) { r.Signature[0] ^= 1 },
		"no signature":   func(r *keyringv1.Signed) { r.Signature = nil },
		"garbage caller": func(r *keyringv1.Signed) { r.Caller = "UABC" },
	} {
		changed := sign()
		change(changed)
		if err := keys.Verify(changed); !errors.Is(err, keys.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a, b := sign(), sign(); bytes.Equal(a.Nonce, b.Nonce) {
		t.Error("two requests have one nonce")
	}
}

func TestOnlyAUsersSeedSigns(t *testing.T) {
	account, _ := nkeys.CreateAccount()
	seed, _ := account.Seed()
	for _, bad := range [][]byte{nil, []byte("SUABC"), seed} {
		if _, err := keys.NewSigner(bad); err == nil {
			t.Errorf("a seed of %d bytes was taken", len(bad))
		}
	}
}

func TestTheClientSignsAndReadsAnswersAndRefusals(t *testing.T) {
	s := newSigner(t)
	var answer *keyringv1.Answer
	var asked string
	bus := keys.RequesterFunc(func(_ context.Context, subject string, body []byte) ([]byte, error) {
		var signed keyringv1.Signed
		if err := proto.Unmarshal(body, &signed); err != nil || keys.Verify(&signed) != nil {
			t.Errorf("the request does not verify: %v", err)
		}
		asked = subject + " " + signed.Operation + " " + signed.Time.AsTime().String()
		return proto.Marshal(answer)
	})
	c := keys.NewClient(bus, s, fixedClock(noon))

	body, _ := proto.Marshal(&keyringv1.Recorded{Changed: true, Sequence: 7})
	answer = &keyringv1.Answer{Body: body}
	got, err := c.Register(t.Context(), &keyringv1.Register{})
	if err != nil || !got.Changed || got.Sequence != 7 {
		t.Errorf("%v, %v", got, err)
	}
	if asked != "keyring.v1.register register 2026-11-21 12:00:00 +0000 UTC" {
		t.Errorf("asked %s", asked)
	}

	answer = &keyringv1.Answer{Refusal: "closed_bucket", Body: body}
	got, err = c.Layers(t.Context(), &keyringv1.Layers{})
	if r, refused := keys.RefusalOf(err); !refused || r != keys.ClosedBucket || r.Passing() {
		t.Errorf("refusal %v", err)
	}
	if got.GetSequence() != 7 {
		t.Error("a refusal lost what it carried")
	}
	lost := errors.New("lost")
	broken := keys.NewClient(keys.RequesterFunc(func(context.Context, string, []byte) ([]byte, error) { return nil, lost }), s, fixedClock(noon))
	if _, err := broken.Status(t.Context()); !errors.Is(err, lost) {
		t.Errorf("no answer: %v", err)
	}
	if _, refused := keys.RefusalOf(lost); refused {
		t.Error("an error is taken for a refusal")
	}
}

func TestIntakeIsTheBucketWhoseDayItIs(t *testing.T) {
	day := func(d int) *timestamppb.Timestamp {
		return timestamppb.New(time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC))
	}
	p := &keyringv1.Published{Intake: []*keyringv1.PublicBucket{
		{Bucket: "20", Opens: day(20), Closes: day(21)},
		{Bucket: "21", Opens: day(21), Closes: day(22)},
		{Bucket: "21 again", Opens: day(21), Closes: day(22)},
		{Bucket: "22", Opens: day(22), Closes: day(23)},
	}}
	for at, want := range map[time.Time]string{
		time.Date(2026, 11, 20, 23, 59, 59, 0, time.UTC): "20",
		time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC):    "21 again",
		time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC):   "22",
	} {
		if got, err := keys.Intake(p, at); err != nil || got.Bucket != want {
			t.Errorf("%v: %v, %v", at, got.GetBucket(), err)
		}
	}
	for _, at := range []time.Time{noon.AddDate(0, 0, 2), noon.AddDate(0, 0, -2)} {
		if _, err := keys.Intake(p, at); !errors.Is(err, keys.ErrNoBucket) {
			t.Errorf("%v: %v", at, err)
		}
	}
	env, err := event.New("keyring", "keyring", 0, "", noon, p)
	if err != nil {
		t.Fatal(err)
	}
	message, _ := event.Marshal(env)
	if got, err := keys.ReadPublished(message); err != nil || !proto.Equal(got, p) {
		t.Errorf("%v", err)
	}
	if _, err := keys.ReadPublished([]byte("x")); err == nil {
		t.Error("garbage is read as published keys")
	}
}

func TestTargetsAreTheLayersThatTheBucketsWrapNow(t *testing.T) {
	raw, view, pii := itemv1.LayerKind_LAYER_KIND_RAW, itemv1.LayerKind_LAYER_KIND_VIEW, itemv1.LayerKind_LAYER_KIND_PII
	present, erased := itemv1.LayerState_LAYER_STATE_PRESENT, itemv1.LayerState_LAYER_STATE_ERASED
	record := &itemv1.Record{Item: "i", Layers: []*itemv1.Layer{
		{Kind: raw, State: present, Bucket: "a", PastBuckets: []string{"z", "y"}},
		{Kind: view, State: erased, Bucket: "a", Plan: "p1"},
		{Kind: pii, State: present, Bucket: "b", PastBuckets: []string{"a"}},
	}}
	in := map[string]bool{"a": true}
	if got := keys.Targets(record, in, "p2"); len(got) != 1 || got[0].Layer != raw || got[0].PastBuckets[0] != "y" {
		t.Errorf("%v", got)
	}
	if got := keys.Targets(record, in, "p1"); len(got) != 2 {
		t.Errorf("the plan's own half-done work is missing: %v", got)
	}
	if got := keys.Targets(record, in, ""); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestThePlanHashIsOfTheListAndNotOfItsOrder(t *testing.T) {
	a := &retentionv1.Target{Item: "a", Layer: 1, Object: "o", Bucket: "b1", PastBuckets: []string{"p", "q"}, Due: timestamppb.New(noon)}
	b := &retentionv1.Target{Item: "b", Layer: 2, Bucket: "b2"}
	want := keys.PlanHash([]string{"b1", "b2"}, []*retentionv1.Target{a, b})
	turned := proto.Clone(a).(*retentionv1.Target)
	turned.PastBuckets = []string{"q", "p"}
	if got := keys.PlanHash([]string{"b2", "b1"}, []*retentionv1.Target{b, turned}); !bytes.Equal(got, want) {
		t.Error("order changes the hash")
	}
	for name, change := range map[string]func(*retentionv1.Target){
		"item":   func(x *retentionv1.Target) { x.Item = "c" },
		"layer":  func(x *retentionv1.Target) { x.Layer = 3 },
		"object": func(x *retentionv1.Target) { x.Object = "p" },
		"bucket": func(x *retentionv1.Target) { x.Bucket = "b2" },
		"past":   func(x *retentionv1.Target) { x.PastBuckets = []string{"pq"} },
		"due":    func(x *retentionv1.Target) { x.Due = timestamppb.New(noon.Add(1)) },
	} {
		c := proto.Clone(a).(*retentionv1.Target)
		change(c)
		if bytes.Equal(keys.PlanHash([]string{"b1", "b2"}, []*retentionv1.Target{c, b}), want) {
			t.Errorf("another %s has the same hash", name)
		}
	}
	if bytes.Equal(keys.PlanHash([]string{"b1"}, []*retentionv1.Target{a, b}), want) || bytes.Equal(keys.PlanHash([]string{"b1", "b2"}, []*retentionv1.Target{a}), want) {
		t.Error("a shorter list has the same hash")
	}
	// The empty plan, by hand: printf '%b' '\0\0\0\0\0\0\0\034postern retention.v1.Planned\0…' | sha256sum
	const empty = "6d4796ccb7b1bcd584a9debce6100717f22170cd78a3d48598fe20e3937df089"
	if got := hex.EncodeToString(keys.PlanHash(nil, nil)); got != empty {
		t.Errorf("the empty plan is %s", got)
	}
}

func FuzzReadPublished(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x0a\x01x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := keys.ReadPublished(b); err == nil {
			keys.Intake(p, noon) //nolint:errcheck // it must not panic
		}
	})
}

func BenchmarkSignAndVerify(b *testing.B) {
	s := newSigner(b)
	body := make([]byte, 400)
	for b.Loop() {
		signed, _ := s.Sign("register", body, noon)
		if err := keys.Verify(signed); err != nil {
			b.Fatal(err)
		}
	}
}
