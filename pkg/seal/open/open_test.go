package open_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
)

const bucketID = "mail_30.raw.20261130.1"

func newBucket(t testing.TB, id string) *open.BucketKey {
	t.Helper()
	b, err := open.GenerateBucketKey(id)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sealed(t testing.TB, to *seal.Recipient, packets ...[]byte) ([]byte, seal.Sealed) {
	t.Helper()
	ciphertext, s, err := seal.Bytes(to, packets...)
	if err != nil {
		t.Fatal(err)
	}
	return ciphertext, s
}

func TestALayerOpensPacketByPacketWithItsKeyPacket(t *testing.T) {
	bucket := newBucket(t, bucketID)
	packets := [][]byte{[]byte("card"), bytes.Repeat([]byte("message "), 40_000), {}, []byte("attachment")}
	ciphertext, s := sealed(t, bucket.Recipient(), packets...)

	if s.Bucket != bucketID || len(s.KeyPacket) != 96 {
		t.Errorf("bucket %q, key packet of %d bytes", s.Bucket, len(s.KeyPacket))
	}
	if s.Size != int64(len(ciphertext)) || s.PacketEnds[3] != s.Size || len(s.PacketEnds) != 4 {
		t.Errorf("size %d and ends %v for %d bytes", s.Size, s.PacketEnds, len(ciphertext))
	}
	if sum := sha256.Sum256(ciphertext); !bytes.Equal(sum[:], s.Digest) {
		t.Error("digest is not SHA-256 of the ciphertext")
	}
	key, err := bucket.Unwrap(s.KeyPacket)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range packets {
		for name, layer := range map[string]io.Reader{
			"seekable": bytes.NewReader(ciphertext),
			"stream":   iotest.HalfReader(bytes.NewBuffer(bytes.Clone(ciphertext))),
		} {
			section, err := open.Section(layer, s.PacketEnds, i)
			if err != nil {
				t.Fatal(err)
			}
			got, err := open.All(key, section, 1<<20)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("packet %d, %s: %d bytes, %v", i, name, len(got), err)
			}
		}
	}
	all, err := open.Layer(key, bytes.NewReader(ciphertext), s.PacketEnds, s.Digest, 1<<20)
	if err != nil || len(all) != len(packets) {
		t.Fatalf("%d packets, %v", len(all), err)
	}
	for i := range packets {
		if !bytes.Equal(all[i], packets[i]) {
			t.Errorf("packet %d differs", i)
		}
	}
}

func TestNothingOfAChangedPacketIsReturned(t *testing.T) {
	bucket := newBucket(t, bucketID)
	ciphertext, s := sealed(t, bucket.Recipient(), []byte("the quick brown fox jumps over the lazy dog"))
	key, err := bucket.Unwrap(s.KeyPacket)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ciphertext {
		changed := bytes.Clone(ciphertext)
		changed[i] ^= 1
		if got, err := open.Bytes(key, changed, 1000); err == nil || got != nil {
			t.Fatalf("byte %d changed: %q, %v", i, got, err)
		}
		if got, err := open.Bytes(key, ciphertext[:i], 1000); err == nil || got != nil {
			t.Fatalf("cut to %d bytes: %q, %v", i, got, err)
		}
	}
	if got, err := open.Bytes(key, append(bytes.Clone(ciphertext), 0), 1000); !errors.Is(err, open.ErrSeal) {
		t.Errorf("a byte behind the packet: %q, %v", got, err)
	}
	other, _ := seal.NewSessionKey()
	if got, err := open.Bytes(other, ciphertext, 1000); !errors.Is(err, open.ErrSeal) {
		t.Errorf("another key: %q, %v", got, err)
	}
}

func TestAStreamCutInTheMiddleNeverEndsWell(t *testing.T) {
	bucket := newBucket(t, bucketID)
	ciphertext, s := sealed(t, bucket.Recipient(), bytes.Repeat([]byte("x"), 200_000))
	key, _ := bucket.Unwrap(s.KeyPacket)
	for _, n := range []int{100, 32<<10 + 1, 65_539, len(ciphertext) - 23, len(ciphertext) - 1} {
		r, err := open.NewReader(key, bytes.NewReader(ciphertext[:n]))
		if err != nil {
			continue
		}
		if _, err := io.Copy(io.Discard, r); err == nil {
			t.Errorf("cut to %d of %d bytes ended well", n, len(ciphertext))
		}
	}
	broken := errors.New("connection reset")
	r, err := open.NewReader(key, io.MultiReader(bytes.NewReader(ciphertext[:100_000]), iotest.ErrReader(broken)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, broken) {
		t.Errorf("the source's own failure came out as %v", err)
	}
}

func TestTheLimitIsTakenAndOnePastItIsNot(t *testing.T) {
	bucket := newBucket(t, bucketID)
	for _, size := range []int{0, 1, 1000} {
		ciphertext, s := sealed(t, bucket.Recipient(), make([]byte, size))
		key, _ := bucket.Unwrap(s.KeyPacket)
		if got, err := open.Bytes(key, ciphertext, int64(size)); err != nil || len(got) != size {
			t.Errorf("%d bytes at the limit: %d, %v", size, len(got), err)
		}
		if _, err := open.Bytes(key, ciphertext, int64(size)-1); size > 0 && !errors.Is(err, open.ErrLimit) {
			t.Errorf("%d bytes one past the limit: %v", size, err)
		}
	}
}

func TestALayerWithAnotherDigestIsVoid(t *testing.T) {
	bucket := newBucket(t, bucketID)
	ciphertext, s := sealed(t, bucket.Recipient(), []byte("one"), []byte("two"))
	key, _ := bucket.Unwrap(s.KeyPacket)
	wrong := bytes.Clone(s.Digest)
	wrong[0] ^= 1
	if got, err := open.Layer(key, bytes.NewReader(ciphertext), s.PacketEnds, wrong, 100); !errors.Is(err, open.ErrDigest) || got != nil {
		t.Errorf("layer: %v, %v", got, err)
	}
	if _, err := open.Layer(key, bytes.NewReader(append(bytes.Clone(ciphertext), 1)), s.PacketEnds, s.Digest, 100); !errors.Is(err, open.ErrSeal) {
		t.Errorf("a byte behind the layer: %v", err)
	}
	one, s1 := sealed(t, bucket.Recipient(), []byte("alone"))
	key1, _ := bucket.Unwrap(s1.KeyPacket)
	if _, err := open.All(key1, open.Checked(bytes.NewReader(one), wrong), 100); !errors.Is(err, open.ErrDigest) {
		t.Errorf("stream: %v", err)
	}
	if got, err := open.All(key1, open.Checked(bytes.NewReader(one), s1.Digest), 100); err != nil || string(got) != "alone" {
		t.Errorf("stream with its digest: %q, %v", got, err)
	}
}

func TestPacketEndsThatDoNotGrowAreRefused(t *testing.T) {
	for _, ends := range [][]int64{{}, {0}, {-1}, {5, 5}, {5, 4}} {
		if _, err := open.Section(bytes.NewReader(nil), ends, 0); !errors.Is(err, open.ErrOffsets) {
			t.Errorf("%v: %v", ends, err)
		}
	}
	for _, index := range []int{-1, 2} {
		if _, err := open.Section(bytes.NewReader(nil), []int64{5, 9}, index); !errors.Is(err, open.ErrOffsets) {
			t.Errorf("index %d: %v", index, err)
		}
	}
}

func TestWhatIsSealedBesideOpensWithTheLayersKey(t *testing.T) {
	bucket := newBucket(t, bucketID)
	var out bytes.Buffer
	l, err := seal.NewLayer(bucket.Recipient(), &out)
	if err != nil {
		t.Fatal(err)
	}
	w, _ := l.Packet()
	w.Write([]byte("raw"))
	if _, err := l.Packet(); !errors.Is(err, seal.ErrPacketOpen) {
		t.Errorf("a second open packet: %v", err)
	}
	w.Close()
	beside, err := l.Beside([]byte("digest"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Close()
	if err != nil || s.Size != int64(out.Len()) {
		t.Fatalf("%d bytes for %d, %v", s.Size, out.Len(), err)
	}
	if _, err := l.Beside(nil); !errors.Is(err, seal.ErrClosed) {
		t.Errorf("beside a closed layer: %v", err)
	}
	if _, err := l.Packet(); !errors.Is(err, seal.ErrClosed) {
		t.Errorf("packet of a closed layer: %v", err)
	}
	key, _ := bucket.Unwrap(s.KeyPacket)
	if got, err := open.Bytes(key, beside, 100); err != nil || string(got) != "digest" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAFailedWriteFailsTheLayer(t *testing.T) {
	bucket := newBucket(t, bucketID)
	full := errors.New("no space")
	for _, room := range []int{0, 10, 40_000, 100_000} {
		l, err := seal.NewLayer(bucket.Recipient(), &tight{room: room, err: full})
		if err != nil {
			t.Fatal(err)
		}
		failed := false
		if w, err := l.Packet(); err != nil {
			failed = true
		} else {
			if _, err := w.Write(make([]byte, 150_000)); err != nil {
				failed = true
			}
			if err := w.Close(); err != nil {
				failed = true
			}
		}
		if _, err := l.Close(); !failed || !errors.Is(err, full) {
			t.Errorf("room for %d bytes: failed %v, close %v", room, failed, err)
		}
	}
	l, _ := seal.NewLayer(bucket.Recipient(), io.Discard)
	if _, err := l.Close(); !errors.Is(err, seal.ErrNoPacket) {
		t.Errorf("an empty layer: %v", err)
	}
}

type tight struct {
	room int
	err  error
}

func (d *tight) Write(p []byte) (int, error) {
	if len(p) > d.room {
		return d.room, d.err
	}
	d.room -= len(p)
	return len(p), nil
}

func TestAKeyPacketOpensWithItsBucketOnly(t *testing.T) {
	bucket, other := newBucket(t, bucketID), newBucket(t, "mail_30.raw.20261130.2")
	key, _ := seal.NewSessionKey()
	want := bytes.Clone(key.Bytes())
	packet, err := bucket.Recipient().Wrap(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Unwrap(packet); !errors.Is(err, open.ErrKeyPacket) {
		t.Errorf("another bucket: %v", err)
	}
	// RFC 6637 §10: the ephemeral point's 32 bytes end 49 bytes before the packet does,
	// the wrapped key (RFC 3394) is the rest. What lies before is framing.
	for i := len(packet) - 49 - 32; i < len(packet); i++ {
		changed := bytes.Clone(packet)
		changed[i] ^= 0x01
		if _, err := bucket.Unwrap(changed); !errors.Is(err, open.ErrKeyPacket) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for _, bad := range [][]byte{nil, packet[:95], append(bytes.Clone(packet), 0), append(bytes.Clone(packet), packet...)} {
		if _, err := bucket.Unwrap(bad); !errors.Is(err, open.ErrKeyPacket) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
	private, err := bucket.Private()
	if err != nil {
		t.Fatal(err)
	}
	again, err := open.ParseBucketKey(bucketID, private)
	if err != nil {
		t.Fatal(err)
	}
	if k, err := again.Unwrap(packet); err != nil || !bytes.Equal(k.Bytes(), want) {
		t.Errorf("after storing the key: %v", err)
	}
	bucket.Clear()
	if _, err := bucket.Unwrap(packet); !errors.Is(err, open.ErrBucketKey) {
		t.Errorf("after clearing: %v", err)
	}
	if _, err := bucket.Private(); !errors.Is(err, open.ErrBucketKey) {
		t.Errorf("private after clearing: %v", err)
	}
}

func TestPrivateKeysAndGarbageAreNoRecipients(t *testing.T) {
	bucket := newBucket(t, bucketID)
	private, _ := bucket.Private()
	for _, bad := range [][]byte{nil, {1, 2, 3}, private, make([]byte, 20<<10)} {
		if _, err := seal.NewRecipient(bucketID, bad); !errors.Is(err, seal.ErrPublicKey) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
	if _, err := open.ParseBucketKey(bucketID, bucket.Recipient().PublicKey()); !errors.Is(err, open.ErrBucketKey) {
		t.Errorf("a public key as private: %v", err)
	}
}

func TestKeysNeverPrint(t *testing.T) {
	bucket := newBucket(t, bucketID)
	key, _ := seal.SessionKeyFrom([]byte("SECRETSECRETSECRETSECRETSECRET32"))
	for _, v := range []any{key, bucket} {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "k", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "k", v)
		js, _ := json.Marshal(v)
		text := log.String() + string(js)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			text += fmt.Sprintf(verb, v)
		}
		if strings.Contains(text, "SECRET") || strings.Contains(text, "534543") || strings.Contains(text, "83 69 67") || !strings.Contains(text, "‹") {
			t.Errorf("%s", text)
		}
	}
	key.Clear()
	if _, err := bucket.Recipient().Wrap(key); !errors.Is(err, seal.ErrSessionKey) {
		t.Errorf("wrap of a cleared key: %v", err)
	}
}

// watcher samples the live heap as ciphertext passes.
type watcher struct {
	n, next int64
	most    uint64
}

func (w *watcher) Write(p []byte) (int, error) {
	w.n += int64(len(p))
	if w.n >= w.next {
		w.next += 8 << 20
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.most = max(w.most, m.HeapAlloc)
	}
	return len(p), nil
}

func TestMemoryDoesNotGrowWithTheLayer(t *testing.T) {
	bucket := newBucket(t, bucketID)
	whole := make([]byte, 48<<20) // one write of all of it: the hard case
	rand.NewChaCha8([32]byte{}).Read(whole)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	w := &watcher{next: 1}
	l, err := seal.NewLayer(bucket.Recipient(), w)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := l.Packet()
	if _, err := io.Copy(p, bytes.NewReader(whole)); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if _, err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if w.most > before.HeapAlloc+2<<20 {
		t.Errorf("the heap grew by %d bytes", w.most-before.HeapAlloc)
	}
	runtime.KeepAlive(whole)
}

func FuzzOpen(f *testing.F) {
	key, _ := seal.SessionKeyFrom(bytes.Repeat([]byte{7}, 32))
	good, err := seal.Under(key, []byte("hello"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, []byte{})
	f.Add(good[:len(good)-1], []byte{1})
	f.Add([]byte{0xd2, 0xff}, []byte{2})
	f.Fuzz(func(t *testing.T, packet, tail []byte) {
		got, err := open.Bytes(key, append(bytes.Clone(packet), tail...), 1000)
		if err == nil && string(got) != "hello" {
			t.Errorf("opened to %d bytes that were never sealed", len(got))
		}
	})
}

func FuzzKeyPacket(f *testing.F) {
	bucket := newBucket(f, bucketID)
	key, _ := seal.NewSessionKey()
	good, _ := bucket.Recipient().Wrap(key)
	f.Add(good)
	f.Add(make([]byte, 96))
	f.Fuzz(func(t *testing.T, packet []byte) {
		if k, err := bucket.Unwrap(packet); err == nil && len(k.Bytes()) != 32 {
			t.Error("a key of another size")
		}
	})
}

func BenchmarkWrap(b *testing.B) {
	bucket := newBucket(b, bucketID)
	key, _ := seal.NewSessionKey()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bucket.Recipient().Wrap(key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnwrap(b *testing.B) {
	bucket := newBucket(b, bucketID)
	key, _ := seal.NewSessionKey()
	packet, _ := bucket.Recipient().Wrap(key)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bucket.Unwrap(packet); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	bucket := newBucket(b, bucketID)
	for _, size := range []int{4 << 10, 25 << 10, 1 << 20} {
		body := make([]byte, size)
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				l, _ := seal.NewLayer(bucket.Recipient(), io.Discard)
				p, _ := l.Packet()
				p.Write(body)
				p.Close()
				if _, err := l.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	bucket := newBucket(b, bucketID)
	for _, size := range []int{4 << 10, 25 << 10, 1 << 20} {
		ciphertext, s := sealed(b, bucket.Recipient(), make([]byte, size))
		key, _ := bucket.Unwrap(s.KeyPacket)
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := open.Bytes(key, ciphertext, int64(size)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
