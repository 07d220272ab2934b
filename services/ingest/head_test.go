package ingest

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// However a mail is cut into pieces, its headers are what stands before the first empty line.
func TestTheHeadersEndWithTheFirstEmptyLineHoweverTheyCome(t *testing.T) {
	for text, want := range map[string]string{
		"A: b\r\nC: d\r\n\r\nbody\r\n\r\n": "A: b\r\nC: d\r\n\r\n",
		"A: b\nC: d\n\nbody":               "A: b\nC: d\n\n",
		"A: b\r\nC: d\n\r\nbody":           "A: b\r\nC: d\n\r\n",
		"A: b\r\n":                         "A: b\r\n",
		"":                                 "",
	} {
		for piece := 1; piece <= len(text)+1; piece++ {
			var h head
			for rest := text; rest != ""; {
				n := min(piece, len(rest))
				if got, err := h.Write([]byte(rest[:n])); got != n || err != nil {
					t.Fatal(got, err)
				}
				rest = rest[n:]
			}
			if string(h.text) != want {
				t.Errorf("%q in pieces of %d: %q, want %q", text, piece, h.text, want)
			}
		}
	}
}

func TestNoMoreThanTheLimitIsKeptOfHeadersAndNothingAfterwards(t *testing.T) {
	for _, size := range []int{mostHead, mostHead + 1, 3 * mostHead} {
		var h head
		text := []byte("List-Id: <a.example>\r\n" + strings.Repeat("X: y\r\n", size))[:size]
		for piece := range slices.Chunk(text, 5000) {
			if _, err := h.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if len(h.text) != mostHead {
			t.Errorf("of %d bytes %d are kept", size, len(h.text))
		}
		kept := h.text
		if kind, _ := h.kind(""); kind != "list" {
			t.Errorf("kind %q", kind)
		}
		if len(bytes.Trim(kept, "\x00")) != 0 || len(h.text) != 0 {
			t.Error("the headers are still there")
		}
	}
}

func BenchmarkHead(b *testing.B) {
	text := []byte("From: a@b.example\r\nSubject: hello\r\nList-Id: <a.example>\r\n" + strings.Repeat("Received: from a.example by b.example with ESMTPS; Sat, 21 Nov 2026 10:00:00 +0000\r\n", 30) + "\r\n" + strings.Repeat("A line of text.\r\n", 1000))
	for b.Loop() {
		var h head
		if _, err := h.Write(text); err != nil {
			b.Fatal(err)
		}
		h.kind("ada")
	}
}
