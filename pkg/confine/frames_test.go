package confine

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// wired are bytes of a child, and somewhere for what is sent to it.
type wired struct {
	io.Reader
	io.Writer
}

func sent(write func(w *wire)) []byte {
	var out bytes.Buffer
	w := newWire(wired{bytes.NewReader(nil), &out})
	write(w)
	_ = w.w.Flush()
	return out.Bytes()
}

// questionOf reads a question of any length.
func questionOf(w *wire) *questionReader {
	left := int64(1 << 40)
	return &questionReader{receive: w.receive, left: &left}
}

func seeds() [][]byte {
	return [][]byte{
		nil,
		sent(func(w *wire) { _ = w.sendParts([][]byte{[]byte("a"), {}, make([]byte, frameBytes+1)}) }),
		sent(func(w *wire) { _ = w.sendError("not_today") }),
		sent(func(w *wire) { _ = w.write(frameMore, []byte("without an end")); _ = w.write(frameEnd, nil) }),
		{framePart, 0xff, 0xff, 0xff, 0xff},
		{frameMore, 0, 0, 0, 0},
	}
}

// Whatever a child sends, it takes no more memory than it is allowed, and ends in parts, a refusal or an error.
func FuzzReceiveParts(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, from []byte) {
		const limit = 64 << 10
		parts, refused, err := newWire(wired{bytes.NewReader(from), io.Discard}).receiveParts(limit)
		total := 0
		for _, part := range parts {
			total += len(part)
		}
		if total > limit || err != nil && (parts != nil || refused != "") {
			t.Errorf("%d bytes in %d parts, %q, %v", total, len(parts), refused, err)
		}
	})
}

func FuzzReadQuestion(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, from []byte) {
		w := newWire(wired{bytes.NewReader(from), io.Discard})
		q := questionOf(w)
		n, err := io.Copy(io.Discard, q)
		if n > int64(len(from)) {
			t.Errorf("%d bytes out of %d", n, len(from))
		}
		if whole := bytes.Contains(from, []byte{framePart}); err == nil && !whole {
			t.Errorf("a question without an end was whole")
		}
		if skipped := q.skip(); err == nil && skipped != nil {
			t.Errorf("a whole question: %v", skipped)
		}
	})
}

func TestFramesThatLieAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		from  []byte
		limit int64
		want  error
	}{
		"a frame past the limit":   {[]byte{framePart, 0, 4, 0, 1}, 1 << 20, errProtocol},
		"a part without an end":    {sent(func(w *wire) { _ = w.write(frameMore, []byte("x")); _ = w.write(frameEnd, nil) }), 100, errProtocol},
		"a kind that is none":      {[]byte{'?', 0, 0, 0, 0}, 100, errProtocol},
		"cut in a frame":           {[]byte{framePart, 0, 0, 0, 9, 'x'}, 100, io.ErrUnexpectedEOF},
		"more than was allowed":    {sent(func(w *wire) { _ = w.sendParts([][]byte{make([]byte, 137)}) }), 200, errProtocol},
		"as much as was allowed":   {sent(func(w *wire) { _ = w.sendParts([][]byte{make([]byte, 136)}) }), 200, nil},
		"more parts than allowed":  {sent(func(w *wire) { _ = w.sendParts(make([][]byte, 7)) }), 6 * 64, errProtocol},
		"as many parts as allowed": {sent(func(w *wire) { _ = w.sendParts(make([][]byte, 6)) }), 6 * 64, nil},
	} {
		if _, _, err := newWire(wired{bytes.NewReader(c.from), io.Discard}).receiveParts(c.limit); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestAQuestionThatBreaksOffIsNotWhole(t *testing.T) {
	for name, from := range map[string][]byte{
		"before it begins":   {},
		"between two frames": sent(func(w *wire) { _ = w.write(frameMore, []byte("some")) }),
		"in a frame":         {framePart, 0, 0, 0, 9, 'x'},
		"by a refusal":       sent(func(w *wire) { _ = w.write(frameMore, []byte("some")); _ = w.sendError("source") }),
	} {
		q := questionOf(newWire(wired{bytes.NewReader(from), io.Discard}))
		if got, err := io.ReadAll(q); err == nil {
			t.Errorf("%s: %q is taken for the whole", name, got)
		}
		if err := q.skip(); (err == nil) != (name == "by a refusal") {
			t.Errorf("%s: what comes behind it: %v", name, err)
		}
	}
}
